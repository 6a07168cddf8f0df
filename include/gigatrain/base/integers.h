// Whole-number division and rounding, for sizes.
#pragma once

#include <cstdint>

namespace gigatrain {

// n / d rounded up, for n >= 0, d > 0.
constexpr std::int64_t ceil_div(std::int64_t n, std::int64_t d) {
  return (n + d - 1) / d;
}

// The smallest multiple of `to` that is not below n.
constexpr std::int64_t round_up(std::int64_t n, std::int64_t to) {
  return ceil_div(n, to) * to;
}

}  // namespace gigatrain
