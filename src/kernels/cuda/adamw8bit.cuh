// AdamW with moments in 8 bits, on the GPU: kernels/adamw8bit.h. A warp has a block of 256 elements
// in its registers, eight a lane; the tables stand in shared memory.
#pragma once

#include "kernels/adamw8bit.h"
#include "kernels/cuda/weights.cuh"
#include "kernels/nearest_code.h"

namespace gigatrain::kernels::cuda {

using AdamW8bitList = TensorList<AdamW8bitTensor>;

// With N = 4 all pointers are 16-byte aligned.
template <int N>
struct AdamW8bitKernel {
  static constexpr int kThreads = 256;
  static constexpr std::int64_t kElements = 8192;
  static constexpr int kLaneElements = static_cast<int>(kStateBlock) / kWarp;
  struct Shared {
    float codes[2 * kCodes];
  };
  AdamW8bitList list;
  const UpdateScalars* scalars;
  const double* clip;
  const float* codes;
  AdamWRule rule;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    const float factor = clip_of(clip);
    if (factor != factor) return;  // NaN: this step is skipped
    for (int i = cta.thread(); i < 2 * kCodes; i += kThreads) s.codes[i] = codes[i];
    cta.sync();
    const int which = list.find(cta.block());
    const AdamW8bitTensor& tensor = list.entries[which];
    const UpdateFactors f = factors_of(*scalars, tensor, factor);
    const std::int64_t first = (cta.block() - list.first[which]) * kElements;
    for (int b = cta.warp(); b < kElements / kStateBlock; b += kThreads / kWarp) {
      const std::int64_t begin = first + b * kStateBlock;
      if (begin < tensor.numel) update_block(cta, tensor, f, s.codes, begin);
    }
  }

  template <class Cta>
  GT_DEVICE void update_block(Cta& cta, const AdamW8bitTensor& tensor, const UpdateFactors& f,
                              const float* table, std::int64_t begin) const {
    const std::int64_t block = begin / kStateBlock;
    const std::int64_t end =
        begin + kStateBlock < tensor.numel ? begin + kStateBlock : tensor.numel;
    const float scale_m = tensor.exp_avg_absmax[block], scale_v = tensor.exp_avg_sq_absmax[block];
    float m[kLaneElements], v[kLaneElements], most_m = 0.0f, most_v = 0.0f;
    GT_UNROLL
    for (int r = 0; r < kLaneElements / N; ++r) {
      const std::int64_t i = begin + (r * kWarp + cta.lane()) * N;
      float mean[N] = {}, square[N] = {};
      if (i + N <= end) {
        update<N>(tensor, f, table, i, scale_m, scale_v, mean, square);
      } else {
        GT_UNROLL
        for (int k = 0; k < N; ++k) {
          if (i + k >= end) continue;
          float one_m[1], one_v[1];
          update<1>(tensor, f, table, i + k, scale_m, scale_v, one_m, one_v);
          mean[k] = one_m[0], square[k] = one_v[0];
        }
      }
      GT_UNROLL
      for (int k = 0; k < N; ++k) {
        m[r * N + k] = mean[k], v[r * N + k] = square[k];
        most_m = Larger()(most_m, fabsf(mean[k]));
        most_v = Larger()(most_v, square[k]);
      }
    }
    most_m = warp_max(cta, most_m), most_v = warp_max(cta, most_v);
    if (cta.lane() == 0) {
      tensor.exp_avg_absmax[block] = most_m;
      tensor.exp_avg_sq_absmax[block] = most_v;
    }
    GT_UNROLL
    for (int r = 0; r < kLaneElements / N; ++r)
      encode(tensor, table, begin + (r * kWarp + cta.lane()) * N, end, m + r * N, v + r * N, most_m,
             most_v);
  }

  // Elements [i, i + n): updates weights, and returns the new moments.
  template <int n>
  GT_DEVICE void update(const AdamW8bitTensor& tensor, const UpdateFactors& f, const float* table,
                        std::int64_t i, float scale_m, float scale_v, float (&m)[n],
                        float (&v)[n]) const {
    float w[n], g[n];
    const auto code_m = load_pack<n>(tensor.exp_avg + i),
               code_v = load_pack<n>(tensor.exp_avg_sq + i);
    load_wide<n>(tensor.grad + i, g);
    load_weights<n>(tensor, i, w);
    GT_UNROLL
    for (int k = 0; k < n; ++k) {
      m[k] = table[code_m.v[k]] * scale_m;
      v[k] = table[kCodes + code_v.v[k]] * scale_v;
      w[k] = apply<FloatMath>(rule, f, w[k], g[k], m[k], v[k]);
    }
    store_weights<n>(tensor, scalars->step, i, w);
  }

  // Stores N elements' codes, those before `end`.
  GT_DEVICE void encode(const AdamW8bitTensor& tensor, const float* table, std::int64_t i,
                        std::int64_t end, const float* m, const float* v, float most_m,
                        float most_v) const {
    Pack<std::uint8_t, N> code_m, code_v;
    GT_UNROLL
    for (int k = 0; k < N; ++k) {
      code_m.v[k] = signed_code(NearestCode{table}, m[k], most_m);
      code_v.v[k] = unsigned_code(NearestCode{table + kCodes}, v[k], most_v);
    }
    if (i + N <= end) {
      store_pack<N>(tensor.exp_avg + i, code_m);
      store_pack<N>(tensor.exp_avg_sq + i, code_v);
      return;
    }
    GT_UNROLL
    for (int k = 0; k < N; ++k)
      if (i + k < end) tensor.exp_avg[i + k] = code_m.v[k], tensor.exp_avg_sq[i + k] = code_v.v[k];
  }
};

inline bool packs_fit(const AdamW8bitList& list) {
  bool fit = true;
  for (int i = 0; i < list.count; ++i) {
    const AdamW8bitTensor& t = list.entries[i];
    fit = fit &&
          cuda::packs_fit<float>(0, {t.weight, t.grad, t.exp_avg, t.exp_avg_sq, t.compute.data});
  }
  return fit;
}

template <class Queue>
void launch(Queue& queue, const AdamW8bit& a) {
  for_lists(a.tensors, a.count, AdamW8bitKernel<1>::kElements, [&](const AdamW8bitList& list) {
    with_width<float>(packs_fit(list), [&](auto width) {
      queue.launch(
          AdamW8bitKernel<decltype(width)::value>{
              .list = list, .scalars = a.scalars, .clip = a.clip, .codes = a.codes, .rule = a.rule},
          {.x = list.blocks});
    });
  });
}

}  // namespace gigatrain::kernels::cuda
