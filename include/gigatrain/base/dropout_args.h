// How a kernel draws its dropout mask: from Philox, never stored, by global position only.
#pragma once

#include <cstdint>

#include "gigatrain/base/philox.h"

namespace gigatrain {

// Element (row, c) of a (rows, C) tensor belongs to sample `first_sample + row / rows_per_sample`
// and is number (row % rows_per_sample) * C + c within it. It is kept when uniform >= rate, and
// then scaled by 1 / (1 - rate). rate 0: off.
struct DropoutArgs {
  float rate = 0.0f;
  PhiloxKey key{};
  std::uint32_t step = 0;
  std::uint32_t first_sample = 0;
  std::int64_t rows_per_sample = 1;
  explicit operator bool() const { return rate > 0.0f; }
};

}  // namespace gigatrain
