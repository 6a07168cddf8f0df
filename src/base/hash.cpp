#include "gigatrain/base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string>

#include "gigatrain/base/philox.h"

namespace gigatrain {

std::uint64_t hash64(std::string_view bytes, std::uint64_t seed) {
  return XXH64(bytes.data(), bytes.size(), seed);
}

std::uint64_t digest_named(std::string_view name, std::uint64_t tensor_digest) {
  return digest_mix(hash64(name), tensor_digest);
}

PhiloxKey random_key(std::uint64_t seed, std::string_view purpose, std::string_view name) {
  std::string text(purpose);
  text.push_back('\0');  // so that ("a", "bc") and ("ab", "c") differ
  text.append(name);
  const std::uint64_t h = hash64(text, seed);
  return {static_cast<std::uint32_t>(h), static_cast<std::uint32_t>(h >> 32)};
}

}  // namespace gigatrain
