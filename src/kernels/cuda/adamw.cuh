// AdamW over many tensors on the GPU: kernels/adamw.h. The arithmetic is the CPU's, product by
// product: square root and division are IEEE's, and the sums that are fused there are fused here.
#pragma once

#include "kernels/adamw.h"
#include "kernels/cuda/tensor_list.cuh"

namespace gigatrain::kernels::cuda {

using AdamWList = TensorList<AdamWTensor>;

// A block updates kElements elements of one tensor. With N = 4 all pointers are 16-byte aligned,
// and the last numel % 4 elements are updated one by one.
template <int N>
struct AdamWKernel {
  static constexpr int kThreads = 256;
  static constexpr std::int64_t kElements = 8192;
  struct Shared {};
  AdamWList list;
  const AdamWScalars* scalars;
  const double* clip;
  float beta1, beta2, eps;

  struct Factors {
    float clip, correction1, correction2, decay, minus_rate;
  };

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    const float factor = clip ? static_cast<float>(clip[1]) : 1.0f;
    if (factor != factor) return;  // NaN: this step is skipped
    const int which = list.find(cta.block());
    const AdamWTensor& tensor = list.entries[which];
    const Factors f{.clip = factor,
                    .correction1 = scalars->correction1,
                    .correction2 = scalars->correction2,
                    .decay = tensor.weight_decay,
                    .minus_rate = -(scalars->lr * tensor.lr_scale)};
    const std::int64_t begin = (cta.block() - list.first[which]) * kElements;
    const std::int64_t end = begin + kElements < tensor.numel ? begin + kElements : tensor.numel;
    for (std::int64_t i = begin + cta.thread() * N; i < end; i += kThreads * N) {
      if (i + N <= end) {
        update<N>(tensor, f, i);
      } else {
        for (std::int64_t k = i; k < end; ++k) update<1>(tensor, f, k);
      }
    }
  }

  // Elements [i, i + n).
  template <int n>
  GT_DEVICE void update(const AdamWTensor& tensor, const Factors& f, std::int64_t i) const {
    float w[n], g[n], m[n], v[n];
    load_wide<n>(tensor.grad + i, g);
    load_wide<n>(tensor.exp_avg + i, m);
    load_wide<n>(tensor.exp_avg_sq + i, v);
    if (tensor.weight)
      load_wide<n>(tensor.weight + i, w);
    else
      load_wide<n>(tensor.compute + i, w);
    GT_UNROLL
    for (int k = 0; k < n; ++k) {
      g[k] *= f.clip;
      m[k] = fmaf(beta1, m[k], g[k] * (1.0f - beta1));
      v[k] = fmaf(beta2, v[k], g[k] * (1.0f - beta2) * g[k]);
      const float step = m[k] * f.correction1 / (sqrtf(v[k] * f.correction2) + eps);
      w[k] = fmaf(fmaf(f.decay, w[k], step), f.minus_rate, w[k]);
    }
    store_wide<n>(tensor.exp_avg + i, m);
    store_wide<n>(tensor.exp_avg_sq + i, v);
    if (!tensor.weight) return store_stochastic<n>(tensor, i, w);
    store_wide<n>(tensor.weight + i, w);
    if (tensor.compute) store_wide<n>(tensor.compute + i, w);
  }

  // With n = 4, i is a multiple of 4: one block of random words.
  template <int n>
  GT_DEVICE void store_stochastic(const AdamWTensor& tensor, std::int64_t i,
                                  const float (&w)[n]) const {
    const auto element = static_cast<std::uint64_t>(i);
    const PhiloxBlock words = philox_block(tensor.rounding, element, 0, scalars->step);
    if constexpr (n == 4) {
      Pack<bf16, n> rounded;
      GT_UNROLL
      for (int k = 0; k < n; ++k)
        rounded.v[k] = round_stochastic(w[k], words[static_cast<std::size_t>(k)]);
      store_pack<n>(tensor.compute + i, rounded);
    } else {
      static_assert(n == 1);
      tensor.compute[i] = round_stochastic(w[0], pick_word(words, element));
    }
  }
};

inline bool packs_fit(const AdamWList& list) {
  bool fit = true;
  for (int i = 0; i < list.count; ++i) {
    const AdamWTensor& t = list.entries[i];
    fit = fit && cuda::packs_fit<float>(0, {t.weight, t.grad, t.exp_avg, t.exp_avg_sq, t.compute});
  }
  return fit;
}

template <class Queue>
void launch(Queue& queue, const AdamW& a) {
  for_lists(a.tensors, a.count, AdamWKernel<1>::kElements, [&](const AdamWList& list) {
    with_width<float>(packs_fit(list), [&](auto width) {
      queue.launch(AdamWKernel<decltype(width)::value>{.list = list,
                                                       .scalars = a.scalars,
                                                       .clip = a.clip,
                                                       .beta1 = a.beta1,
                                                       .beta2 = a.beta2,
                                                       .eps = a.eps},
                   {.x = list.blocks});
    });
  });
}

}  // namespace gigatrain::kernels::cuda
