// The global gradient norm and the clip factor on the GPU: kernels/reduce.h. Three kernels: sums of
// squares by chunk; the tree over each tensor's chunks, then the tree over tensors. The host never
// waits.
#pragma once

#include "kernels/cuda/tensor_list.cuh"
#include "kernels/cuda/tree.cuh"
#include "kernels/reduce.h"

namespace gigatrain::kernels::cuda {

using NormList = TensorList<NormTensor>;
using ChunkList = TensorList<std::int64_t>;  // how many chunks each tensor has

// sums[block] = sum of squares of one chunk; products of two f32 are exact in f64.
struct SquaresKernel {
  static constexpr int kThreads = 256;
  static constexpr int kPacks = static_cast<int>(kScalarChunk) / kThreads / 4;  // of a thread
  struct Shared {
    double slots[kThreads / kWarp];
  };
  NormList list;
  double* sums;

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
    if (cta.thread() == 0) sums[cta.block()] = sum;
  }
};

// sums[tensor] = the tree over its chunks, by a block each.
struct TensorTreeKernel {
  static constexpr int kThreads = 512, kMinBlocks = 1;
  struct Shared {};
  ChunkList list;
  std::int64_t tensors, begin;  // before the list: how many, and how many chunks they have
  const double* chunks;
  const std::int64_t* order;
  double *groups, *sums;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    const auto which = static_cast<int>(cta.block());
    const std::int64_t first = begin + list.first[which], tensor = tensors + which;
    const auto leaf = [from = chunks, at = order, first](std::int64_t i) {
      return from[at ? at[first + i] : first + i];
    };
    // Its sums of kTreeLeaves chunks: those of the next tensor begin at least as many after them.
    double* const own = groups + first / kTreeLeaves + tensor;
    const double sum = block_tree<kThreads>(cta, leaf, list.entries[which], own);
    if (cta.thread() == 0) sums[tensor] = sum;
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
void launch(Queue& queue, const SquareSums& a) {
  double* sums = a.chunks;
  for_lists(a.tensors, a.count, kScalarChunk, [&](const NormList& list) {
    queue.launch(SquaresKernel{.list = list, .sums = sums}, {.x = list.blocks});
    sums += list.blocks;
  });
}

template <class Queue>
void launch(Queue& queue, const NormOfChunks& a) {
  std::int64_t chunks = 0, tensors = 0;
  for (std::int64_t i = 0; i < a.count; ++i) chunks += a.chunks_of[i];
  const std::int64_t groups = chunks / kTreeLeaves + a.count;
  const Storage memory = queue.scratch((groups + a.count) * 8, "norm_of_chunks.sums");
  double* const sums = static_cast<double*>(memory.data());
  chunks = 0;
  const auto count = [](std::int64_t n) { return n; };
  for_lists(a.chunks_of, a.count, count, [&](const ChunkList& list) {
    queue.launch(TensorTreeKernel{.list = list,
                                  .tensors = tensors,
                                  .begin = chunks,
                                  .chunks = a.chunks,
                                  .order = a.order,
                                  .groups = sums + a.count,
                                  .sums = sums},
                 {.x = list.count});
    chunks += list.blocks;
    tensors += list.count;
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
