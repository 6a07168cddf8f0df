// Arrays added over the tree, and then more: by TreeSum, and pair by pair.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/reduce.h"
#include "kernels/same_bits.h"

namespace gigatrain::kernels::testing {

// Of `tree` arrays of n elements and `then` more, whose sum depends on the order. `skipped`
// elements at the front move the data away from a multiple of 16 bytes.
struct TreeArrays {
  std::vector<Array<float>> x;
  std::int64_t skipped, n;
  int count;  // of the tree

  TreeArrays(int tree, std::int64_t numel, std::int64_t front = 0, int then = 0)
      : skipped(front), n(numel), count(tree) {
    for (int i = 0; i < count + then; ++i) {
      x.push_back(random_array<float>({n + skipped}, static_cast<unsigned>(i)));
      for (auto& v : x.back().values) v *= std::exp2(static_cast<float>(i * 7 % 11));
      if (n > 5) x.back()[skipped + 5] = -0.0f;
    }
  }
  float* data(int i) { return x[static_cast<std::size_t>(i)].values.data() + skipped; }

  // In one pass, in the memory of array `target`, which is returned.
  Array<float> at_once(Stream& stream, int target) {
    TreeSum sum{.count = count, .y = data(target), .numel = n};
    for (int i = 0; i < count; ++i) sum.x[i] = data(i);
    for (int i = count; i < static_cast<int>(x.size()); ++i) sum.then[sum.then_count++] = data(i);
    stream.submit(sum);
    return x[static_cast<std::size_t>(target)];
  }
  // In the memory of the first.
  Array<float> by_pairs(Stream& stream) {
    const auto view = [&](std::size_t i) {
      return TensorView(data(static_cast<int>(i)), DType::f32, {n});
    };
    const auto tree = static_cast<std::size_t>(count);
    const auto add = [&](std::size_t i, std::size_t j) {
      stream.submit(Add{.a = view(i), .b = view(j), .y = view(i)});
    };
    for (std::size_t step = 1; step < tree; step *= 2)
      for (std::size_t i = 0; i < tree; i += 2 * step) add(i, i + step);
    for (std::size_t i = tree; i < x.size(); ++i) add(0, i);
    return x[0];
  }
};

}  // namespace gigatrain::kernels::testing
