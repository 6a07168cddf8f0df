// The sidecar <shard>.json: where a shard's tokens come from, and their digests.
#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "read_file.h"
#include "shard_internal.h"
#include "strict_json.h"

namespace gigatrain::shard {
namespace {

using json = nlohmann::ordered_json;

constexpr std::int64_t kMaxBytes = 1 << 20;

[[noreturn]] void fail(const std::string& path, const std::string& why) {
  throw Error(ErrorCode::data, fmt::format("'{}' is not a shard's sidecar: {}", path, why),
              "delete it (it is optional) or make the shard again");
}

json parse_object(std::string_view text, const std::string& path) {
  try {
    json object = parse_strict_json(text, path);
    if (object.is_object()) return object;
  } catch (const Error& e) {
    fail(path, e.message());
  }
  fail(path, "it must be one JSON object");
}

std::int64_t integer(const json& object, const char* key, const std::string& path) {
  const auto& value = object.at(key);
  if (!value.is_number_integer() || value < 0 || value > std::int64_t{1} << 53)
    fail(path,
         fmt::format("'{}' must be a whole number >= 0, got {}", key, printable(value.dump())));
  return value.get<std::int64_t>();
}

// Digests are 64 bits wide, more than a JSON number holds everywhere, so they are hexadecimal.
std::uint64_t digest(const json& object, const char* key, const std::string& path) {
  std::uint64_t out = 0;
  const std::string text = object.value(key, "");
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, 16);
  if (text.size() != 16 || error != std::errc() || end != text.data() + text.size())
    fail(path, fmt::format("'{}' must be 16 hexadecimal digits, got '{}'", key, printable(text)));
  return out;
}

ShardSidecar from_object(const json& object, const std::string& path) {
  ShardSidecar s;
  s.tokenizer_sha256 = object.value("tokenizer_sha256", "");
  s.source = object.value("source", "");
  if (object.contains("vocab_size")) s.vocab_size = integer(object, "vocab_size", path);
  if (object.contains("documents")) s.documents = integer(object, "documents", path);
  if (object.contains("tokens")) s.tokens = integer(object, "tokens", path);
  if (object.contains("eot") && !object["eot"].is_null()) {
    const auto eot = integer(object, "eot", path);
    if (eot > kMaxTokens) fail(path, fmt::format("'eot' = {} is no token id", eot));
    s.eot = static_cast<std::int32_t>(eot);
  }
  if (object.contains("digest"))
    s.scan = TokenScan{digest(object, "digest", path), digest(object, "sample_digest", path),
                       integer(object, "max_id", path)};
  return s;
}

}  // namespace

std::string sidecar_path(const std::string& shard_path) {
  return shard_path + ".json";
}

std::optional<ShardSidecar> read_sidecar(const std::string& shard_path) {
  const std::string path = sidecar_path(shard_path);
  if (!std::filesystem::exists(path)) return std::nullopt;
  const auto file = OpenFile::open(path, Links::follow, ErrorCode::data);
  if (file.size() > kMaxBytes) fail(path, fmt::format("it has {} bytes", file.size()));
  return parse_sidecar(file.read(kMaxBytes), path);
}

ShardSidecar parse_sidecar(std::string_view text, const std::string& path) {
  const json object = parse_object(text, path);
  try {
    return from_object(object, path);
  } catch (const json::exception& e) {
    fail(path, e.what());
  }
}

std::string sidecar_json(const ShardSidecar& s) {
  nlohmann::ordered_json object = {{"tokenizer_sha256", s.tokenizer_sha256},
                                   {"vocab_size", s.vocab_size},
                                   {"eot", nullptr},
                                   {"documents", s.documents},
                                   {"source", s.source}};
  if (s.eot) object["eot"] = *s.eot;
  if (s.tokens) object["tokens"] = *s.tokens;
  if (s.scan) {
    object["digest"] = fmt::format("{:016x}", s.scan->digest);
    object["sample_digest"] = fmt::format("{:016x}", s.scan->sample_digest);
    object["max_id"] = s.scan->max_id;
  }
  return object.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace gigatrain::shard
