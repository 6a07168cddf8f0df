// Arrays added over the tree: by TreeSum, and pair by pair.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/reduce.h"
#include "kernels/same_bits.h"

namespace gigatrain::kernels::testing {

// Of `count` arrays of n elements, whose sum depends on the order. `skipped` elements at the front
// move the data away from a multiple of 16 bytes.
struct TreeArrays {
  std::vector<Array<float>> x;
  std::int64_t skipped, n;

  TreeArrays(int count, std::int64_t numel, std::int64_t front = 0) : skipped(front), n(numel) {
    for (int i = 0; i < count; ++i) {
      x.push_back(random_array<float>({n + skipped}, static_cast<unsigned>(i)));
      for (auto& v : x.back().values) v *= std::exp2(static_cast<float>(i * 7 % 11));
      if (n > 5) x.back()[skipped + 5] = -0.0f;
    }
  }
  float* data(int i) { return x[static_cast<std::size_t>(i)].values.data() + skipped; }

  // In one pass, in the memory of array `target`, which is returned.
  Array<float> at_once(Stream& stream, int target) {
    const auto count = static_cast<int>(x.size());
    TreeSum sum{.count = count, .y = data(target), .numel = n};
    for (int i = 0; i < count; ++i) sum.x[i] = data(i);
    stream.submit(sum);
    return x[static_cast<std::size_t>(target)];
  }
  // In the memory of the first.
  Array<float> by_pairs(Stream& stream) {
    const auto view = [&](std::size_t i) {
      return TensorView(data(static_cast<int>(i)), DType::f32, {n});
    };
    for (std::size_t step = 1; step < x.size(); step *= 2)
      for (std::size_t i = 0; i < x.size(); i += 2 * step)
        stream.submit(Add{.a = view(i), .b = view(i + step), .y = view(i)});
    return x[0];
  }
};

}  // namespace gigatrain::kernels::testing
