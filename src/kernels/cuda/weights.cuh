// What the kernels that update weights share on a GPU: the rules' arithmetic on one float, and how
// new weights are stored.
#pragma once

#include "kernels/cuda/tensor_list.cuh"
#include "kernels/update_rules.h"

namespace gigatrain::kernels::cuda {

struct FloatMath {
  static GT_DEVICE float splat(float x) { return x; }
  static GT_DEVICE float fma(float a, float b, float c) { return fmaf(a, b, c); }
  static GT_DEVICE float root(float x) { return sqrtf(x); }
  static GT_DEVICE float sign(float x) { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : 0.0f; }
};

template <int n, class Tensor>
GT_DEVICE void load_weights(const Tensor& tensor, std::int64_t i, float (&w)[n]) {
  if (tensor.weight)
    load_wide<n>(tensor.weight + i, w);
  else
    load_wide<n>(tensor.compute.template as<bf16>() + i, w);
}

// With n = 4, i and the slice's first element are multiples of 4: one block of random words.
template <int n, class Tensor>
GT_DEVICE void store_stochastic(const Tensor& tensor, std::uint32_t step, std::int64_t i,
                                const float (&w)[n]) {
  const auto element = static_cast<std::uint64_t>(element_of(tensor, i));
  const PhiloxBlock words = philox_block(tensor.rounding, element, 0, step);
  if constexpr (n == 4) {
    Pack<bf16, n> rounded;
    GT_UNROLL
    for (int k = 0; k < n; ++k)
      rounded.v[k] = round_stochastic(w[k], words[static_cast<std::size_t>(k)]);
    store_pack<n>(tensor.compute.template as<bf16>() + i, rounded);
  } else {
    static_assert(n == 1);
    tensor.compute.template as<bf16>()[i] = round_stochastic(w[0], pick_word(words, element));
  }
}

template <int n, class Tensor>
GT_DEVICE void store_weights(const Tensor& tensor, std::uint32_t step, std::int64_t i,
                             const float (&w)[n]) {
  if (!tensor.weight) return store_stochastic<n>(tensor, step, i, w);
  store_wide<n>(tensor.weight + i, w);
  if (!tensor.compute) return;
  if (tensor.compute.dtype == DType::f16)
    store_wide<n>(tensor.compute.template as<f16>() + i, w);
  else
    store_wide<n>(tensor.compute.template as<bf16>() + i, w);
}

}  // namespace gigatrain::kernels::cuda
