// The search in adamw8bit.h's tables, for the CPU and a GPU.
#pragma once

#include "kernels/adamw8bit.h"
#include "kernels/update_rules.h"

namespace gigatrain::kernels {

// The code nearest to x, by halving.
struct NearestCode {
  const float* codes;
  GT_RULE int operator()(float x) const {
    int at = 0;  // the last code that is not above x
    for (int half = kCodes / 2; half > 0; half /= 2)
      if (codes[at + half] <= x) at += half;
    return at + 1 < kCodes && codes[at + 1] - x < x - codes[at] ? at + 1 : at;
  }
};

// m, and v, of a block with the scale `absmax`; `nearest` is NearestCode, or finds what it finds.
template <class Nearest>
GT_RULE std::uint8_t signed_code(const Nearest& nearest, float x, float absmax) {
  return static_cast<std::uint8_t>(nearest(absmax > 0.0f ? x / absmax : 0.0f));
}
template <class Nearest>
GT_RULE std::uint8_t unsigned_code(const Nearest& nearest, float x, float absmax) {
  const int code = nearest(absmax > 0.0f ? x / absmax : 0.0f);
  return static_cast<std::uint8_t>(code == 0 && x > 0.0f ? 1 : code);
}

}  // namespace gigatrain::kernels
