// One pass over a shard's tokens: digest and largest id. The tokens are cut into chunks of 65,536;
// digest = mix(count, sum over chunks c of mix(c, XXH64(chunk as little-endian 32-bit, seed c))).
#include <algorithm>
#include <array>
#include <cstring>

#include "gigatrain/base/hash.h"
#include "shard_internal.h"

namespace gigatrain::shard {
namespace {

constexpr std::int64_t kChunk = 65536;  // 256 KiB as 32-bit values: stays in the L2 cache
constexpr std::int64_t kSampleChunks = 64;
constexpr std::int64_t kBlock = 32;

struct Chunk {
  explicit Chunk(const TokenArray& tokens)
      : values(static_cast<std::size_t>(std::min(kChunk, tokens.count))) {}
  std::vector<std::uint32_t> values;
  std::int64_t size = 0;

  void load(const TokenArray& tokens, std::int64_t index) {
    size = std::min(kChunk, tokens.count - index * kChunk);
    tokens.widen(index * kChunk, size, values.data());
  }
  std::uint64_t digest(std::int64_t index) const {
    const auto* bytes = reinterpret_cast<const char*>(values.data());
    const auto seed = static_cast<std::uint64_t>(index);
    return digest_mix(seed, hash64({bytes, static_cast<std::size_t>(size) * 4}, seed));
  }
  std::uint32_t max() const {
    std::array<std::uint32_t, kBlock> most{};  // one running maximum a lane
    const std::int64_t whole = size / kBlock * kBlock;
    for (std::int64_t i = 0; i < whole; i += kBlock)
      for (std::size_t lane = 0; lane < kBlock; ++lane)
        most[lane] = std::max(most[lane], values[std::size_t(i) + lane]);
    for (std::int64_t i = whole; i < size; ++i) most[0] = std::max(most[0], values[std::size_t(i)]);
    return *std::max_element(most.begin(), most.end());
  }
};

std::int64_t chunks(const TokenArray& tokens) {
  return (tokens.count + kChunk - 1) / kChunk;
}

std::uint64_t with_count(const TokenArray& tokens, std::uint64_t sum) {
  return digest_mix(static_cast<std::uint64_t>(tokens.count), sum);
}

}  // namespace

// Blocks of a constant size, which compilers turn into vector code at -O2.
void TokenArray::widen(std::int64_t begin, std::int64_t n, std::uint32_t* out) const {
  const std::byte* from = first + begin * token_bytes;
  if (token_bytes == 4) {
    std::memcpy(out, from, static_cast<std::size_t>(n) * 4);
    return;
  }
  std::int64_t done = 0;
  for (; done + kBlock <= n; done += kBlock) {
    std::array<std::uint16_t, kBlock> block;
    std::memcpy(block.data(), from + 2 * done, sizeof block);
    for (std::size_t i = 0; i < kBlock; ++i) out[std::size_t(done) + i] = block[i];
  }
  for (; done < n; ++done) {
    std::uint16_t value;
    std::memcpy(&value, from + 2 * done, 2);
    out[done] = value;
  }
}

TokenScan scan_all(const TokenArray& tokens) {
  TokenScan scan;
  Chunk chunk(tokens);
  std::uint64_t sum = 0;
  for (std::int64_t i = 0; i < chunks(tokens); ++i) {
    chunk.load(tokens, i);
    sum = digest_add(sum, chunk.digest(i));
    scan.max_id = std::max(scan.max_id, std::int64_t{chunk.max()});
  }
  scan.digest = with_count(tokens, sum);
  scan.sample_digest = scan_sample(tokens);
  return scan;
}

std::uint64_t scan_sample(const TokenArray& tokens) {
  Chunk chunk(tokens);
  std::uint64_t sum = 0;
  const std::int64_t all = chunks(tokens), n = std::min(all, kSampleChunks);
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t index = n == 1 ? 0 : i * (all - 1) / (n - 1);  // first and last included
    chunk.load(tokens, index);
    sum = digest_add(sum, chunk.digest(index));
  }
  return with_count(tokens, sum);
}

std::int64_t find_at_least(const TokenArray& tokens, std::int64_t limit) {
  Chunk chunk(tokens);
  for (std::int64_t i = 0; i < chunks(tokens); ++i) {
    chunk.load(tokens, i);
    for (std::int64_t j = 0; j < chunk.size; ++j)
      if (chunk.values[std::size_t(j)] >= limit) return i * kChunk + j;
  }
  return -1;
}

}  // namespace gigatrain::shard
