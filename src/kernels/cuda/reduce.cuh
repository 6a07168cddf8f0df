// Sums over any dims on the GPU: kernels/reduce.h.
//
// The elements that one output sums are numbered in row-major order and cut into chunks of
// kScalarChunk. Element j of a chunk is added, in ascending order, to f64 slot j mod 128 (64 for
// f64 elements); the slots are added by the aligned binary tree, the chunks by another. Both
// kernels below keep this order, so a sum's bits do not depend on strides.
#pragma once

#include "kernels/cuda/sum_spaces.cuh"
#include "kernels/cuda/tree.cuh"

namespace gigatrain::kernels::cuda {

template <class T>
inline constexpr int kSumSlots = kWarp* kSumPack<T>;
static_assert(kScalarChunk % kSumSlots<float> == 0);

// Where sums go: straight to y when there is one chunk, else to partials (outputs, chunks).
template <class T>
struct SumOutput {
  T* y;
  double* partials;
  std::int64_t chunks;
  double scale;

  GT_DEVICE void put(const SumSpaces& spaces, std::int64_t out, std::int64_t chunk,
                     double sum) const {
    if (chunks > 1)
      partials[out * chunks + chunk] = sum;
    else
      finish(spaces, out, sum);
  }
  GT_DEVICE void finish(const SumSpaces& spaces, std::int64_t out, double sum) const {
    y[spaces.kept_in_y(out)] = from_float<T>(sum * scale);
  }
};

// A warp for each chunk of each output; its lanes read side by side. With N > 1 the summed elements
// are side by side in memory and lane l has slots [l N, l N + N); with N = 1 they may be anywhere
// and it has slots l, l + 32, ...
template <class T, int N>
struct SumRowsKernel {
  static constexpr int kThreads = 256;
  static constexpr int kWarps = kThreads / kWarp;
  static constexpr int kSlots = kSumPack<T>;     // of a lane
  static constexpr int kSteps = N == 1 ? 1 : 4;  // loads in flight, times kSlots / N
  struct Shared {};
  const T* x;
  SumSpaces spaces;
  SumOutput<T> output;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    const std::int64_t item = cta.block() * kWarps + cta.warp();
    const std::int64_t out = item / output.chunks, chunk = item % output.chunks;
    if (out >= spaces.kept.total) return;
    const T* row = x + spaces.kept_in_x(out);
    const std::int64_t begin = chunk * kScalarChunk, total = spaces.summed.total;
    const std::int64_t end = begin + kScalarChunk < total ? begin + kScalarChunk : total;
    double slot[kSlots] = {};
    for (std::int64_t i = begin; i < end; i += kSteps * kSumSlots<T>) {
      if constexpr (N == 1)
        add_elements(row, i + cta.lane(), end, slot);
      else
        add_packs(row, i + cta.lane() * N, end, slot);
    }
    double sum;
    if constexpr (N == 1) {  // slot numbers: the lane is the low bits
      GT_UNROLL
      for (int k = 0; k < kSlots; ++k) slot[k] = lanes_tree(cta, slot[k]);
      sum = values_tree(slot);
    } else {
      sum = lanes_tree(cta, values_tree(slot));
    }
    if (cta.lane() == 0) output.put(spaces, out, chunk, sum);
  }

  GT_DEVICE void add_packs(const T* row, std::int64_t first, std::int64_t end,
                           double (&slot)[kSlots]) const {
    Pack<T, N> pack[kSteps] = {};
    GT_UNROLL
    for (int s = 0; s < kSteps; ++s)
      if (first + s * kSumSlots<T> < end) pack[s] = load_pack<N>(row + first + s * kSumSlots<T>);
    GT_UNROLL
    for (int s = 0; s < kSteps; ++s) {
      GT_UNROLL
      for (int k = 0; k < N; ++k) slot[k] += static_cast<double>(to_float(pack[s].v[k]));
    }
  }
  GT_DEVICE void add_elements(const T* row, std::int64_t first, std::int64_t end,
                              double (&slot)[kSlots]) const {
    T v[kSlots] = {};
    GT_UNROLL
    for (int k = 0; k < kSlots; ++k) {
      const std::int64_t i = first + k * kWarp;
      if (i < end) v[k] = row[spaces.summed_in_x(i)];
    }
    GT_UNROLL
    for (int k = 0; k < kSlots; ++k) slot[k] += static_cast<double>(to_float(v[k]));
  }
};

// For outputs that are side by side in memory: a block for a chunk of 32 of them. Warp w has slots
// [w n, w n + n) of all, a lane for each output; then it adds up the slots of output w.
template <class T>
struct SumColumnsKernel {
  static constexpr int kThreads = kWarp * kWarp;
  static constexpr int kSlots = kSumSlots<T> / kWarp;  // of a thread
  struct Shared {
    double sums[kWarp][kWarp + 1];  // a column more: lanes that read one below the other
  };
  const T* x;
  SumSpaces spaces;
  SumOutput<T> output;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    const std::int64_t chunk = cta.block() % output.chunks;
    const std::int64_t first = cta.block() / output.chunks * kWarp;
    const std::int64_t begin = chunk * kScalarChunk, total = spaces.summed.total;
    const std::int64_t end = begin + kScalarChunk < total ? begin + kScalarChunk : total;
    double slot[kSlots] = {};
    if (first + cta.lane() < spaces.kept.total) {
      const T* column = x + spaces.kept_in_x(first + cta.lane());
      for (std::int64_t i = begin + cta.warp() * kSlots; i < end; i += kSumSlots<T>) {
        T v[kSlots] = {};
        GT_UNROLL
        for (int k = 0; k < kSlots; ++k)
          if (i + k < end) v[k] = column[spaces.summed_in_x(i + k)];
        GT_UNROLL
        for (int k = 0; k < kSlots; ++k) slot[k] += static_cast<double>(to_float(v[k]));
      }
    }
    s.sums[cta.warp()][cta.lane()] = values_tree(slot);
    cta.sync();
    const double sum = lanes_tree(cta, s.sums[cta.lane()][cta.warp()]);
    if (cta.lane() == 0 && first + cta.warp() < spaces.kept.total)
      output.put(spaces, first + cta.warp(), chunk, sum);
  }
};

template <class T>
struct SumChunksKernel {
  static constexpr int kThreads = 256;
  struct Shared {};
  SumSpaces spaces;
  SumOutput<T> output;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    double* const partials = output.partials + cta.block() * output.chunks;
    const double sum = block_tree<kThreads>(cta, partials, output.chunks);
    if (cta.thread() == 0) output.finish(spaces, cta.block(), sum);
  }
};

template <class T, class Queue>
void launch_sum(Queue& queue, const Sum& a) {
  const SumSpaces spaces = sum_spaces(a);
  const std::int64_t outputs = spaces.kept.total;
  const std::int64_t chunks =
      spaces.summed.total > kScalarChunk ? blocks_for(spaces.summed.total, kScalarChunk) : 1;
  const Storage memory = queue.scratch(chunks > 1 ? outputs * chunks * 8 : 0, "sum.partials");
  const SumOutput<T> output{.y = a.y.as<T>(),
                            .partials = static_cast<double*>(memory.data()),
                            .chunks = chunks,
                            .scale = a.scale};
  const T* x = a.x.as<const T>();
  if (spaces.neighbours() >= kWarp / 2 && !spaces.sums_lines()) {
    queue.launch(SumColumnsKernel<T>{.x = x, .spaces = spaces, .output = output},
                 {.x = blocks_for(outputs, kWarp) * chunks});
  } else {
    const auto rows = [&](auto width) {
      using Kernel = SumRowsKernel<T, decltype(width)::value>;
      queue.launch(Kernel{.x = x, .spaces = spaces, .output = output},
                   {.x = blocks_for(outputs * chunks, Kernel::kWarps)});
    };
    if (packs_fit(spaces, x))
      rows(Width<kSumPack<T>>{});
    else
      rows(Width<1>{});
  }
  if (chunks > 1)
    queue.launch(SumChunksKernel<T>{.spaces = spaces, .output = output}, {.x = outputs});
}

template <class Queue>
void launch(Queue& queue, const Sum& a) {
  with_floating_type(a.kName, a.x.dtype, [&](auto type) { launch_sum<decltype(type)>(queue, a); });
}

}  // namespace gigatrain::kernels::cuda
