// The global gradient norm and the clip factor on the GPU: kernels/reduce.h. Three kernels: sums of
// squares by chunk, the tree over each tensor's chunks, the tree over tensors. The host never
// waits.
#pragma once

#include "kernels/cuda/tensor_list.cuh"
#include "kernels/cuda/tree.cuh"
#include "kernels/reduce.h"

namespace gigatrain::kernels::cuda {

using NormList = TensorList<NormTensor>;

// partials[block] = sum of squares of one chunk; products of two f32 are exact in f64.
struct SquaresKernel {
  static constexpr int kThreads = 256;
  static constexpr int kPacks = static_cast<int>(kScalarChunk) / kThreads / 4;  // of a thread
  struct Shared {
    double slots[kThreads / kWarp];
  };
  NormList list;
  double* partials;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    const int which = list.find(cta.block());
    const NormTensor& tensor = list.entries[which];
    const std::int64_t begin = (cta.block() - list.first[which]) * kScalarChunk;
    const float* x = tensor.data + begin;
    const std::int64_t left = tensor.numel - begin;
    const int n = static_cast<int>(left < kScalarChunk ? left : kScalarChunk);
    const bool aligned = reinterpret_cast<std::uintptr_t>(x) % 16 == 0;
    Pack<float, 4> packs[kPacks];
    GT_UNROLL
    for (int p = 0; p < kPacks; ++p) {
      const int i = (p * kThreads + cta.thread()) * 4;
      if (aligned && i + 4 <= n) {
        packs[p] = load_pack<4>(x + i);
      } else {
        GT_UNROLL
        for (int k = 0; k < 4; ++k) packs[p].v[k] = i + k < n ? x[i + k] : 0.0f;
      }
    }
    double sum = 0.0;
    GT_UNROLL
    for (int p = 0; p < kPacks; ++p) {
      GT_UNROLL
      for (int k = 0; k < 4; ++k) {
        const auto v = static_cast<double>(packs[p].v[k]);
        sum += v * v;
      }
    }
    sum = block_sum<kThreads>(cta, sum, s.slots);
    if (cta.thread() == 0) partials[cta.block()] = sum;
  }
};

// sums[block] = the tree over the chunks of the list's tensor `block`.
struct TensorTreeKernel {
  static constexpr int kThreads = 512;
  struct Shared {};
  NormList list;
  double *partials, *sums;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    const auto which = static_cast<int>(cta.block());
    const std::int64_t chunks = blocks_for(list.entries[which].numel, kScalarChunk);
    const double sum = block_tree<kThreads>(cta, partials + list.first[which], chunks);
    if (cta.thread() == 0) sums[which] = sum;
  }
};

struct ClipKernel {
  static constexpr int kThreads = 256;
  struct Shared {
    double slots[kThreads / kWarp];
  };
  double* sums;
  std::int64_t count;
  const float* guard;
  std::int64_t guard_count;
  float max_norm;
  double loss_scale;
  double* result;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    double poison = 0.0;  // stays 0 when every guard is finite
    for (std::int64_t i = cta.thread(); i < guard_count; i += kThreads)
      poison += static_cast<double>(guard[i] - guard[i]);
    poison = block_sum<kThreads>(cta, poison, s.slots);
    const double norm = sqrt(block_tree<kThreads>(cta, sums, count)) / loss_scale;
    if (cta.thread() != 0) return;
    result[0] = norm;
    result[1] = clip_factor(norm + poison, max_norm) / loss_scale;
  }
};

template <class Queue>
void launch(Queue& queue, const GlobalNorm& a) {
  std::int64_t chunks = 0;
  for (std::int64_t i = 0; i < a.count; ++i) chunks += blocks_for(a.tensors[i].numel, kScalarChunk);
  const Storage memory = queue.scratch((chunks + a.count) * 8, "global_norm.partials");
  double* const sums = static_cast<double*>(memory.data());
  double* partials = sums + a.count;
  std::int64_t done = 0;  // tensors
  for_lists(a.tensors, a.count, kScalarChunk, [&](const NormList& list) {
    queue.launch(SquaresKernel{.list = list, .partials = partials}, {.x = list.blocks});
    queue.launch(TensorTreeKernel{.list = list, .partials = partials, .sums = sums + done},
                 {.x = list.count});
    partials += list.blocks;
    done += list.count;
  });
  queue.launch(ClipKernel{.sums = sums,
                          .count = a.count,
                          .guard = a.guard,
                          .guard_count = a.guard_count,
                          .max_norm = a.max_norm,
                          .loss_scale = a.loss_scale,
                          .result = a.result},
               {});
}

}  // namespace gigatrain::kernels::cuda
