// The table of adamw8bit.h's codes.
#pragma once

#include <algorithm>
#include <array>

#include "kernels/adamw8bit.h"

namespace gigatrain::kernels {

// The values of the codes, ascending.
constexpr std::array<float, kCodes> dynamic_tree(bool both_signs) {
  std::array<float, kCodes> codes{};  // 0 is one of them
  std::size_t n = 1;
  codes[n++] = 1.0f;
  double decade = 1e-6;
  for (int items = both_signs ? 1 : 2; n < kCodes; items *= 2, decade *= 10)
    for (int i = 0; i < items; ++i) {
      const double value = decade * (0.1 + 0.9 * (i + 0.5) / items);
      codes[n++] = static_cast<float>(value);
      if (both_signs) codes[n++] = static_cast<float>(-value);
    }
  std::sort(codes.begin(), codes.end());
  return codes;
}

// Both tables, as the kernel's `codes`.
constexpr std::array<float, 2 * kCodes> dynamic_trees() {
  std::array<float, 2 * kCodes> both{};
  std::ranges::copy(dynamic_tree(true), both.begin());
  std::ranges::copy(dynamic_tree(false), both.begin() + kCodes);
  return both;
}

}  // namespace gigatrain::kernels
