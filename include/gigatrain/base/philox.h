// Philox4x32-10, the counter-based generator of Salmon et al., "Parallel Random Numbers: As Easy
// as 1, 2, 3" (SC 2011). A random number is a pure function of (key, counter), so it never depends
// on the rank, the thread or the order of evaluation.
//
// The contract of the library: key = random_key(seed, purpose, name); counter = (element / 4 as
// 64 bits, global sample index within the step, step); the element picks one of the four words.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace gigatrain {

struct PhiloxKey {
  std::uint32_t k0 = 0, k1 = 0;
};

using PhiloxBlock = std::array<std::uint32_t, 4>;

constexpr PhiloxBlock philox4x32_10(PhiloxBlock c, PhiloxKey key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * c[2];
    c = {static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ key.k0, static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ key.k1, static_cast<std::uint32_t>(p0)};
    key.k0 += 0x9E3779B9u;
    key.k1 += 0xBB67AE85u;
  }
  return c;
}

// The block of four words that holds `element` of `sample` in `step`.
constexpr PhiloxBlock philox_block(PhiloxKey key, std::uint64_t element, std::uint32_t sample,
                                   std::uint32_t step) {
  const std::uint64_t block = element / 4;
  return philox4x32_10(
      {static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), sample, step},
      key);
}

// Uniform in (0, 1): the middle of one of 2^23 equal cells, exact in f32.
constexpr float to_uniform(std::uint32_t word) {
  return (static_cast<float>(word >> 9) + 0.5f) * 0x1p-23f;
}

// 64-bit hash of (seed, purpose, name) as a key; purpose is "init", "dropout", "data", ...
PhiloxKey random_key(std::uint64_t seed, std::string_view purpose, std::string_view name);

}  // namespace gigatrain
