// Two passes over the text: the first counts its bytes and finds every malformed line, the second
// writes. So the split needs no second copy on disk, and nothing is written for bad input.
#include "gigatrain/train/tokenize_files.h"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>

#include "gigatrain/base/error.h"
#include "tokenize_documents.h"

namespace gigatrain {
namespace {

constexpr std::size_t kPieceBytes = 1 << 20;  // bounds the memory for ids of a large document

// The last place at most `at` where a piece may end: after white space, else before a character.
std::size_t cut(std::string_view text, std::size_t at) {
  if (at >= text.size()) return text.size();
  const std::size_t space = text.find_last_of(" \n", at - 1);
  if (space != std::string_view::npos && space + 1024 > at) return space + 1;
  while (at > 1 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

// Where val begins inside a document: never in the middle of a character.
std::size_t character_start(std::string_view text, std::size_t at) {
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
  return std::min(at, text.size());
}

class Split {
 public:
  Split(const Tokenizer& tokenizer, std::string path)
      : tokenizer_(tokenizer), path_(std::move(path)) {}

  void text(std::string_view text) {
    while (!text.empty()) {
      const std::size_t size = cut(text, kPieceBytes);
      ids_.clear();
      tokenizer_.encode(text.substr(0, size), ids_);
      writer().append(ids_);
      text.remove_prefix(size);
    }
  }
  void end_document() {
    if (const auto eot = tokenizer_.eot()) writer().append({&*eot, 1});
    ++documents_;
  }
  TokenizedSplit finish(const std::string& source) {
    if (!writer_) return {};
    return {path_, writer_->finish({.tokenizer_sha256 = tokenizer_.sha256(),
                                    .vocab_size = tokenizer_.vocab_size(),
                                    .eot = tokenizer_.eot(),
                                    .documents = documents_,
                                    .source = source})};
  }

 private:
  ShardWriter& writer() {
    if (!writer_) writer_ = std::make_unique<ShardWriter>(path_, tokenizer_.vocab_size());
    return *writer_;
  }

  const Tokenizer& tokenizer_;
  std::string path_;
  std::unique_ptr<ShardWriter> writer_;  // made with the first token
  std::vector<std::int32_t> ids_;
  std::int64_t documents_ = 0;
};

void count(const TokenizeOptions& options, TokenizeReport& report) {
  for (const auto& path : options.inputs)
    visit_documents(path, [&](std::string_view text) {
      report.text_bytes += static_cast<std::int64_t>(text.size());
      report.documents += !text.empty();
    });
}

void check(const TokenizeOptions& options) {
  if (!(options.val_fraction >= 0 && options.val_fraction < 1))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the validation fraction must be in [0, 1), "
                            "got {}",
                            options.val_fraction));
  if (options.inputs.empty()) throw Error(ErrorCode::invalid_argument, "no input files were given");
}

std::string make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error)
    throw Error(ErrorCode::io, fmt::format("cannot make folder '{}': {}", path, error.message()),
                "choose a folder that can be written");
  return path;
}

// An old val.bin beside a new train.bin would be text that was trained on.
void refuse_stale(const std::string& path) {
  if (std::filesystem::exists(path))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("'{}' is left from an earlier run and would not be replaced", path),
                "remove it, or choose another output folder");
}

std::string source_of(const TokenizeOptions& options) {
  const std::string first = std::filesystem::path(options.inputs[0]).filename().string();
  if (options.inputs.size() == 1) return first;
  return fmt::format("{} and {} more", first, options.inputs.size() - 1);
}

}  // namespace

TokenizeReport tokenize_files(const Tokenizer& tokenizer, const TokenizeOptions& options) {
  check(options);
  TokenizeReport report;
  count(options, report);
  if (report.text_bytes == 0)
    throw Error(ErrorCode::data, "the input holds no text", "check the input files");
  const std::string folder = make_folder(options.output);
  if (options.val_fraction == 0) refuse_stale(folder + "/val.bin");
  Split train(tokenizer, folder + "/train.bin"), val(tokenizer, folder + "/val.bin");
  const auto total = report.text_bytes;
  const auto border =
      total - static_cast<std::int64_t>(std::floor(double(total) * options.val_fraction));
  std::int64_t done = 0;
  for (const auto& path : options.inputs)
    visit_documents(path, [&](std::string_view text) {
      if (text.empty()) return;
      const auto room = static_cast<std::size_t>(std::max<std::int64_t>(0, border - done));
      const std::size_t head = character_start(text, std::min(room, text.size()));
      train.text(text.substr(0, head));
      val.text(text.substr(head));
      (head == text.size() ? train : val).end_document();
      done += static_cast<std::int64_t>(text.size());
      if (options.progress) options.progress(done, total);
    });
  report.train = train.finish(source_of(options));
  report.val = val.finish(source_of(options));
  return report;
}

}  // namespace gigatrain
