#include "gigatrain/train/shard.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "shard_internal.h"

namespace gigatrain {
namespace {

constexpr std::string_view kNanoGptPrefix = "nanogpt:";
constexpr std::int64_t kAlwaysScanned = std::int64_t{1} << 30;  // bytes

[[noreturn]] void contradicts(const std::string& path, const char* what, std::int64_t expected,
                              std::int64_t got) {
  throw Error(ErrorCode::data,
              fmt::format("'{}' is not the file its sidecar describes: {} should be {}, got {}",
                          path, what, expected, got),
              "make the shard again with 'gigatrain data tokenize', or delete its .json");
}

std::string index_path(const std::string& bin) {
  return std::filesystem::path(bin).replace_extension(".idx").string();
}

shard::TokenArray read_tokens(const std::string& path, const MappedFile& file, bool nanogpt) {
  if (nanogpt) return shard::read_nanogpt(file.bytes(), path);
  if (const auto idx = index_path(path); idx != path && std::filesystem::exists(idx))
    return shard::read_megatron(file.bytes(), MappedFile::open(idx, ErrorCode::data).bytes(), idx);
  return shard::read_llmc(file.bytes(), path);
}

}  // namespace

const char* name(ShardFormat format) {
  switch (format) {
    case ShardFormat::llmc:
      return "llm.c";
    case ShardFormat::megatron:
      return "megatron";
    case ShardFormat::nanogpt:
      return "nanogpt";
  }
  return "unknown";
}

Shard Shard::open(const std::string& path, Verify verify) {
  Shard s;
  const bool nanogpt = path.starts_with(kNanoGptPrefix);
  s.path_ = nanogpt ? path.substr(kNanoGptPrefix.size()) : path;
  s.file_ = std::make_shared<MappedFile>(MappedFile::open(s.path_, ErrorCode::data));
  const auto tokens = read_tokens(s.path_, *s.file_, nanogpt);
  s.format_ = tokens.format;
  s.first_ = tokens.first;
  s.tokens_ = tokens.count;
  s.token_bytes_ = tokens.token_bytes;
  s.documents_ = tokens.documents;
  s.sidecar_ = shard::read_sidecar(s.path_);
  s.check_sidecar(verify);
  s.check_vocabulary(std::int64_t{1} << 31);
  if (s.sidecar_ && s.sidecar_->vocab_size > 0) s.check_vocabulary(s.sidecar_->vocab_size);
  return s;
}

// Scans the tokens and compares with the sidecar. A large file is compared by its sample only:
// reading it whole could take minutes, and a copy that went wrong or another file under the same
// name differs in its length or, nearly always, in one of the sampled chunks.
void Shard::check_sidecar(Verify verify) {
  const shard::TokenArray array{format_, first_, tokens_, token_bytes_, documents_};
  const bool has_scan = sidecar_ && sidecar_->scan;
  if (sidecar_ && sidecar_->documents > 0) documents_ = sidecar_->documents;
  if (sidecar_ && sidecar_->tokens && *sidecar_->tokens != tokens_)
    contradicts(path_, "its number of tokens", *sidecar_->tokens, tokens_);
  const bool sample = verify == Verify::automatic && has_scan && file_->size() > kAlwaysScanned;
  scan_ = sample ? *sidecar_->scan : shard::scan_all(array);
  if (!has_scan) return;
  const std::uint64_t got = sample ? shard::scan_sample(array) : scan_.digest;
  const std::uint64_t expected = sample ? scan_.sample_digest : sidecar_->scan->digest;
  if (got != expected)
    throw Error(ErrorCode::data,
                fmt::format("'{}' was changed or damaged: its sidecar has digest {:016x}, its "
                            "tokens {:016x}",
                            path_, expected, got),
                "make the shard again with 'gigatrain data tokenize', or delete its .json");
}

void Shard::will_need(std::int64_t first, std::int64_t count) const {
  file_->will_need(first_ + first * token_bytes_, count * token_bytes_);
}

void Shard::read(std::int64_t first, std::span<std::int32_t> out) const {
  const auto n = static_cast<std::int64_t>(out.size());
  if (first < 0 || n > tokens_ || first > tokens_ - n)
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("'{}' holds tokens [0, {}), asked for {} from {}", path_, tokens_, n, first));
  const shard::TokenArray array{format_, first_, tokens_, token_bytes_, documents_};
  array.widen(first, n, reinterpret_cast<std::uint32_t*>(out.data()));
}

void Shard::check_vocabulary(std::int64_t vocab_size) const {
  if (scan_.max_id < vocab_size) return;
  const shard::TokenArray array{format_, first_, tokens_, token_bytes_, documents_};
  const std::int64_t position = shard::find_at_least(array, vocab_size);
  std::uint32_t id = static_cast<std::uint32_t>(scan_.max_id);
  if (position >= 0) array.widen(position, 1, &id);
  throw Error(ErrorCode::data,
              fmt::format("token ids of '{}' must be below the vocabulary size {}, got {} at "
                          "position {}",
                          path_, vocab_size, id, position),
              "use the tokenizer that made the shard, or raise model.vocab_size");
}

}  // namespace gigatrain
