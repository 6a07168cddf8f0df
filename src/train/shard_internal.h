// What the shard's source files share: the tokens of any layout as one array, and its readers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "gigatrain/train/shard.h"
#include "mapped_file.h"

namespace gigatrain::shard {

inline constexpr std::int32_t kMagic16 = 20240520, kVersion16 = 1;
inline constexpr std::int32_t kMagic32 = 20240801, kVersion32 = 7;
inline constexpr std::int64_t kHeaderBytes = 256 * 4;
inline constexpr std::int64_t kMaxTokens = 2147483647;  // the header's count is an int32

struct TokenArray {
  ShardFormat format = ShardFormat::llmc;
  const std::byte* first = nullptr;
  std::int64_t count = 0;
  int token_bytes = 2;  // 2: uint16, 4: uint32
  std::int64_t documents = 0;

  // Copies [begin, begin + n) as 32-bit values.
  void widen(std::int64_t begin, std::int64_t n, std::uint32_t* out) const;
};

inline const std::byte* first_byte(std::string_view bytes) {
  return reinterpret_cast<const std::byte*>(bytes.data());
}

// From bytes that may be hostile; the tokens stay where they are. Each throws Error(data) with the
// rule, what was expected and what the file holds.
TokenArray read_llmc(std::string_view bytes, const std::string& path);
TokenArray read_nanogpt(std::string_view bytes, const std::string& path);
TokenArray read_megatron(std::string_view bin, std::string_view idx, const std::string& idx_path);
ShardSidecar parse_sidecar(std::string_view text, const std::string& path);

TokenScan scan_all(const TokenArray& tokens);
std::uint64_t scan_sample(const TokenArray& tokens);
// Position of the first id >= limit, or -1.
std::int64_t find_at_least(const TokenArray& tokens, std::int64_t limit);

std::string sidecar_path(const std::string& shard_path);
std::optional<ShardSidecar> read_sidecar(const std::string& shard_path);
std::string sidecar_json(const ShardSidecar& sidecar);

}  // namespace gigatrain::shard
