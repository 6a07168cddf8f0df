// Hashes used by the library: a stable 64-bit string hash and the state digest's mix.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace gigatrain {

// XXH64 with the given seed: the same on every machine and in every release.
std::uint64_t hash64(std::string_view bytes, std::uint64_t seed = 0);

// State digest (docs/design.md): sum over elements of mix(global element index, bits) modulo the
// Mersenne prime 2^61 - 1. A sum, so it does not depend on how a tensor is sharded.
inline constexpr std::uint64_t kDigestPrime = (std::uint64_t{1} << 61) - 1;

constexpr std::uint64_t digest_mix(std::uint64_t index, std::uint64_t bits) {
  std::uint64_t z = bits ^ (index + 1) * 0x9e3779b97f4a7c15u;  // splitmix64's finisher
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (z ^ (z >> 31)) >> 4;  // 60 bits: below the prime, and 8 of them add without overflow
}

constexpr std::uint64_t digest_add(std::uint64_t a, std::uint64_t b) {
  const std::uint64_t s = a + b;
  return s >= kDigestPrime ? s - kDigestPrime : s;
}

// Joins a tensor's digest to its name, so that a state's digest is the sum over its tensors.
std::uint64_t digest_named(std::string_view name, std::uint64_t tensor_digest);

}  // namespace gigatrain
