// The llm.c and nanoGPT layouts (see shard.h).
#include <fmt/format.h>

#include <array>
#include <cstring>

#include "shard_internal.h"

namespace gigatrain::shard {
namespace {

[[noreturn]] void fail(const std::string& path, const std::string& why, const std::string& next) {
  throw Error(ErrorCode::data, fmt::format("'{}' is not a token shard: {}", path, why), next);
}

// The first number tells the width of a token; the second is the version that goes with it.
int token_bytes(const std::string& path, std::int32_t magic, std::int32_t version) {
  if (magic != kMagic16 && magic != kMagic32)
    fail(path, fmt::format("it must begin with {} or {}, got {}", kMagic16, kMagic32, magic),
         fmt::format("make a shard with 'gigatrain data tokenize'; a nanoGPT file without header "
                     "is read as 'nanogpt:{}'",
                     path));
  const std::int32_t expected = magic == kMagic16 ? kVersion16 : kVersion32;
  if (version != expected)
    fail(path, fmt::format("magic {} goes with version {}, got {}", magic, expected, version),
         "make it again with 'gigatrain data tokenize'");
  return magic == kMagic16 ? 2 : 4;
}

}  // namespace

TokenArray read_llmc(std::string_view file, const std::string& path) {
  const std::string again = "copy it again, or make it again with 'gigatrain data tokenize'";
  const auto size = static_cast<std::int64_t>(file.size());
  if (size == 0) fail(path, "it is empty", again);
  if (size < kHeaderBytes)
    fail(path, fmt::format("the header has {} bytes, the file {}", kHeaderBytes, size), again);
  std::array<std::int32_t, 3> header;
  std::memcpy(header.data(), file.data(), sizeof header);
  const int bytes = token_bytes(path, header[0], header[1]);
  const std::int64_t count = header[2], held = size - kHeaderBytes;
  if (count < 0) fail(path, fmt::format("its header counts {} tokens", count), again);
  if (held != count * bytes)
    fail(path,
         fmt::format("its header counts {} tokens ({} bytes), but {} bytes follow{}", count,
                     count * bytes, held, held < count * bytes ? ": it was cut short" : ""),
         again);
  if (count == 0) fail(path, "it holds no tokens", again);
  return {ShardFormat::llmc, first_byte(file) + kHeaderBytes, count, bytes, 0};
}

TokenArray read_nanogpt(std::string_view file, const std::string& path) {
  if (file.size() == 0 || file.size() % 2 != 0)
    fail(path,
         fmt::format("uint16 tokens need an even number of bytes above 0, got {}", file.size()),
         "copy it again");
  return {ShardFormat::nanogpt, first_byte(file), static_cast<std::int64_t>(file.size() / 2), 2, 0};
}

}  // namespace gigatrain::shard
