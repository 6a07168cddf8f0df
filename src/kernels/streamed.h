// Which outputs a CPU kernel streams: writes past the caches, without first reading the lines that
// it fills. It pays where nothing would be left in a cache for whoever reads next, so the rule goes
// by the bytes of a whole output, hence by its shape alone. The values are the same either way.
#pragma once

#include <cstdint>

namespace gigatrain::kernels {

// More than the last cache of most processors keeps.
inline constexpr std::int64_t kStreamedBytes = 32 << 20;

constexpr bool is_streamed(std::int64_t bytes) {
  return bytes >= kStreamedBytes;
}

}  // namespace gigatrain::kernels
