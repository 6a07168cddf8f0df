// Windows on flat buffers, and how borders cut them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "gigatrain/tensor/tensor.h"

namespace gigatrain::parallel {

// Elements of a contiguous tensor from `begin` on, in this shape.
inline Tensor window(const Tensor& flat, std::int64_t begin, const Shape& shape) {
  auto* data = flat.view().as<std::byte>() + begin * size_of(flat.dtype());
  return flat.alias(TensorView(data, flat.dtype(), shape));
}

// borders: of the shards, how many + 1.
inline std::vector<std::int64_t> shard_sizes(const std::vector<std::int64_t>& borders) {
  std::vector<std::int64_t> sizes;
  for (std::size_t s = 0; s + 1 < borders.size(); ++s) sizes.push_back(borders[s + 1] - borders[s]);
  return sizes;
}

}  // namespace gigatrain::parallel
