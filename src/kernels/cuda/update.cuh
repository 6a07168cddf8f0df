// SGD, Lion and AdamW over many tensors on the GPU: kernels/update.h.
#pragma once

#include "kernels/cuda/weights.cuh"
#include "kernels/update.h"

namespace gigatrain::kernels::cuda {

using UpdateList = TensorList<UpdateTensor>;

// A block updates kElements elements of one tensor. With N = 4 all pointers are 16-byte aligned,
// and the last numel % 4 elements are updated one by one.
template <class Rule, int N>
struct UpdateKernel {
  static constexpr int kThreads = 256;
  static constexpr std::int64_t kElements = 8192;
  struct Shared {};
  UpdateList list;
  const UpdateScalars* scalars;
  const double* clip;
  Rule rule;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    const float factor = clip_of(clip);
    if (factor != factor) return;  // NaN: this step is skipped
    const int which = list.find(cta.block());
    const UpdateTensor& tensor = list.entries[which];
    const UpdateFactors f = factors_of(*scalars, tensor, factor);
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
  GT_DEVICE void update(const UpdateTensor& tensor, const UpdateFactors& f, std::int64_t i) const {
    float w[n], g[n], m[n] = {}, v[n] = {};
    load_wide<n>(tensor.grad + i, g);
    if (tensor.exp_avg) load_wide<n>(tensor.exp_avg + i, m);
    if (tensor.exp_avg_sq) load_wide<n>(tensor.exp_avg_sq + i, v);
    load_weights<n>(tensor, i, w);
    GT_UNROLL
    for (int k = 0; k < n; ++k) w[k] = apply<FloatMath>(rule, f, w[k], g[k], m[k], v[k]);
    if (tensor.exp_avg) store_wide<n>(tensor.exp_avg + i, m);
    if (tensor.exp_avg_sq) store_wide<n>(tensor.exp_avg_sq + i, v);
    store_weights<n>(tensor, scalars->step, i, w);
  }
};

inline bool packs_fit(const UpdateList& list) {
  bool fit = true;
  for (int i = 0; i < list.count; ++i) {
    const UpdateTensor& t = list.entries[i];
    fit = fit &&
          cuda::packs_fit<float>(0, {t.weight, t.grad, t.exp_avg, t.exp_avg_sq, t.compute.data});
  }
  return fit;
}

template <class Queue, class Rule>
void launch(Queue& queue, const Update<Rule>& a) {
  for_lists(a.tensors, a.count, UpdateKernel<Rule, 1>::kElements, [&](const UpdateList& list) {
    with_width<float>(packs_fit(list), [&](auto width) {
      queue.launch(
          UpdateKernel<Rule, decltype(width)::value>{
              .list = list, .scalars = a.scalars, .clip = a.clip, .rule = a.rule},
          {.x = list.blocks});
    });
  });
}

}  // namespace gigatrain::kernels::cuda
