// Gather, its gradient and the largest of each row, on the GPU: kernels/index.h.
#pragma once

#include "kernels/cuda/geometry.h"
#include "kernels/index.h"

namespace gigatrain::kernels::cuda {

GT_DEVICE bool in_range(std::int32_t i, std::int64_t n) {
  return i >= 0 && i < n;
}

template <class T>
struct GatherKernel {
  static constexpr int kThreads = 256;
  struct Shared {};
  const T* x;  // (A, N, B)
  const std::int32_t* index;
  T* y;  // (A, K, B)
  std::int64_t total, n, picks, inner;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    const std::int64_t i = cta.block() * kThreads + cta.thread();
    if (i >= total) return;
    const std::int64_t line = i / (picks * inner) * n * inner + i % inner;
    const std::int32_t from = index[i];
    y[i] = in_range(from, n) ? x[line + from * inner] : from_float<T>(WideOf<T>(NAN));
  }
};

// A block has a line of dx, of which a thread has every kThreads-th element: it goes through all
// indices of the line and adds the gradients of its own, in ascending order.
template <class T>
struct ScatterAddKernel {
  static constexpr int kThreads = 128;
  using Sum = WideOf<T>;
  struct Shared {
    std::int32_t index[kThreads];
    Sum dy[kThreads];
  };
  const std::int32_t* index;
  const T* dy;  // (A, K, B)
  Sum* dx;      // (A, N, B)
  std::int64_t n, picks, inner;
  bool accumulate;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    const std::int64_t outer = cta.block() / inner, column = cta.block() % inner;
    Sum* const line = dx + outer * n * inner + column;
    if (!accumulate)
      for (std::int64_t i = cta.thread(); i < n; i += kThreads) line[i * inner] = Sum(0);
    const std::int64_t first = outer * picks * inner + column;
    for (std::int64_t tile = 0; tile < picks; tile += kThreads) {
      const std::int64_t k = tile + cta.thread();
      cta.sync();
      s.index[cta.thread()] = k < picks ? index[first + k * inner] : -1;
      s.dy[cta.thread()] = k < picks ? to_float(dy[first + k * inner]) : Sum(0);
      cta.sync();
      for (int e = 0; e < kThreads && tile + e < picks; ++e) {
        const std::int32_t to = s.index[e];
        if (in_range(to, n) && to % kThreads == cta.thread()) line[to * inner] += s.dy[e];
      }
    }
  }
};

// An element and its column, ordered: larger ones first, NaN before all, then by column.
template <class F>
struct Ranked {
  F value;
  std::int32_t column;  // -1: nothing

  GT_DEVICE bool before(const Ranked& other) const {
    if (column < 0 || other.column < 0) return other.column < 0 && column >= 0;
    if (value > other.value || (value != value && other.value == other.value)) return true;
    if (value < other.value || (value == value && other.value != other.value)) return false;
    return column < other.column;
  }
};

// A block has a row and goes over it k times: each time it finds the first after the last found.
template <class T, int kBlock>
struct TopKKernel {
  static constexpr int kThreads = kBlock;
  static constexpr int kWarps = kThreads / kWarp;
  using F = WideOf<T>;
  struct Shared {
    F values[kWarps];
    std::int32_t columns[kWarps];
  };
  const T* x;
  T* values;
  std::int32_t* indices;  // or null
  std::int64_t columns, k;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    const T* row = x + cta.block() * columns;
    Ranked<F> last{F(0), -1};
    for (std::int64_t i = 0; i < k; ++i) {
      last = first_after(cta, s, row, last);
      if (cta.thread() != 0) continue;
      values[cta.block() * k + i] = row[last.column];
      if (indices) indices[cta.block() * k + i] = last.column;
    }
  }

  template <class Cta>
  GT_DEVICE Ranked<F> first_after(Cta& cta, Shared& s, const T* row, const Ranked<F>& last) const {
    Ranked<F> best{F(0), -1};
    for (std::int64_t c = cta.thread(); c < columns; c += kThreads) {
      const Ranked<F> here{to_float(row[c]), static_cast<std::int32_t>(c)};
      if (last.column >= 0 && !last.before(here)) continue;
      if (here.before(best)) best = here;
    }
    GT_UNROLL
    for (int mask = kWarp / 2; mask > 0; mask /= 2) {
      const Ranked<F> other{cta.shfl_xor(best.value, mask), cta.shfl_xor(best.column, mask)};
      if (other.before(best)) best = other;
    }
    cta.sync();  // slow readers of the last round
    if (cta.lane() == 0) s.values[cta.warp()] = best.value, s.columns[cta.warp()] = best.column;
    cta.sync();
    best = {s.values[0], s.columns[0]};
    GT_UNROLL
    for (int w = 1; w < kWarps; ++w) {
      const Ranked<F> other{s.values[w], s.columns[w]};
      if (other.before(best)) best = other;
    }
    return best;
  }
};

template <class Queue>
void launch(Queue& queue, const Gather& a) {
  with_floating_type(a.kName, a.x.dtype, [&](auto type) {
    using Kernel = GatherKernel<decltype(type)>;
    queue.launch(Kernel{.x = a.x.as<decltype(type)>(),
                        .index = a.index.as<std::int32_t>(),
                        .y = a.y.as<decltype(type)>(),
                        .total = a.y.numel(),
                        .n = a.x.shape[1],
                        .picks = a.y.shape[1],
                        .inner = a.y.shape[2]},
                 {.x = blocks_for(a.y.numel(), Kernel::kThreads)});
  });
}

template <class Queue>
void launch(Queue& queue, const ScatterAdd& a) {
  with_floating_type(a.kName, a.dy.dtype, [&](auto type) {
    using T = decltype(type);
    queue.launch(ScatterAddKernel<T>{.index = a.index.as<std::int32_t>(),
                                     .dy = a.dy.as<T>(),
                                     .dx = a.dx.as<WideOf<T>>(),
                                     .n = a.dx.shape[1],
                                     .picks = a.dy.shape[1],
                                     .inner = a.dx.shape[2],
                                     .accumulate = a.accumulate},
                 {.x = a.dx.shape[0] * a.dx.shape[2]});
  });
}

template <class Queue>
void launch(Queue& queue, const TopK& a) {
  with_floating_type(a.kName, a.x.dtype, [&](auto type) {
    using T = decltype(type);
    const auto with_block = [&](auto block) {
      queue.launch(TopKKernel<T, decltype(block)::value>{.x = a.x.as<T>(),
                                                         .values = a.values.as<T>(),
                                                         .indices = a.indices.as<std::int32_t>(),
                                                         .columns = a.x.cols(),
                                                         .k = a.values.cols()},
                   {.x = a.x.shape[0]});
    };
    if (a.x.cols() <= 1024) return with_block(Width<kWarp>{});
    with_block(Width<256>{});
  });
}

}  // namespace gigatrain::kernels::cuda
