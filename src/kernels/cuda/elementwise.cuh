// Elementwise operations on the GPU: kernels/elementwise.h. An operation is a small struct, applied
// in f32 (f64 for f64); one kernel serves them all, with copies and fills (copy.cuh) among them.
// Packs of 16 bytes where the innermost dim allows it, else one element at a time.
#pragma once

#include <algorithm>

#include "kernels/cuda/strided.cuh"
#include "kernels/elementwise.h"

namespace gigatrain::kernels::cuda {

struct AddOp {
  template <class F>
  GT_DEVICE F operator()(F a, F b) const {
    return a + b;
  }
};
struct SubOp {
  template <class F>
  GT_DEVICE F operator()(F a, F b) const {
    return a - b;
  }
};
struct MulOp {
  template <class F>
  GT_DEVICE F operator()(F a, F b) const {
    return a * b;
  }
};
struct DivOp {
  template <class F>
  GT_DEVICE F operator()(F a, F b) const {
    return a / b;
  }
};
// NaN if either is.
struct MaximumOp {
  template <class F>
  GT_DEVICE F operator()(F a, F b) const {
    return a > b || a != a ? a : b;
  }
};
struct MinimumOp {
  template <class F>
  GT_DEVICE F operator()(F a, F b) const {
    return a < b || a != a ? a : b;
  }
};
struct MaximumShareOp {
  template <class F>
  GT_DEVICE F operator()(F a, F b) const {
    return a > b ? F(1) : a < b ? F(0) : F(0.5);
  }
};

// N elements of a run along the innermost dim; stride 0 repeats one. Any stride when N = 1.
template <int N, class T>
GT_DEVICE void load_run(const T* p, std::int64_t stride, T (&v)[N]) {
  constexpr int kEach = N < kPack<T> ? N : kPack<T>;
  if (N > 1 && stride == 0) {
    const T repeated = *p;
    GT_UNROLL
    for (int k = 0; k < N; ++k) v[k] = repeated;
    return;
  }
  GT_UNROLL
  for (int i = 0; i < N; i += kEach) {
    const Pack<T, kEach> pack = load_pack<kEach>(p + i);
    GT_UNROLL
    for (int k = 0; k < kEach; ++k) v[i + k] = pack.v[k];
  }
}

// y = op(x...), y of type Out. y may be one of the inputs.
template <class Op, class In, class Out, int N, int kInputs>
struct ElementwiseKernel {
  static constexpr int kThreads = 256;
  static constexpr int kItems = N == 1 ? 4 : 1;  // narrow accesses: more of them in flight
  static constexpr int kElements = kThreads * kItems * N;  // of a block
  static constexpr int kSlots = kInputs == 0 ? 1 : kInputs;
  struct Shared {};
  using F = WideOf<In>;
  Op op;
  StridedWalk<kInputs + 1> walk;  // the inputs, then y
  Out* y;
  const In* x[kSlots];

  GT_DEVICE F apply(const In (&v)[kSlots][N], int k) const {
    if constexpr (kInputs == 0)
      return op();
    else if constexpr (kInputs == 1)
      return op(to_float(v[0][k]));
    else
      return op(to_float(v[0][k]), to_float(v[1][k]));
  }

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    const std::int64_t first = cta.block() * kElements + cta.thread() * N;
    In v[kItems][kSlots][N];  // not converted yet: that would wait for each load in turn
    std::int64_t to[kItems];
    GT_UNROLL
    for (int item = 0; item < kItems; ++item) {
      const std::int64_t i = first + item * kThreads * N;
      if (i >= walk.total) break;
      std::int64_t at[kInputs + 1];
      walk.offsets(i, at);
      GT_UNROLL
      for (int k = 0; k < kInputs; ++k) load_run<N>(x[k] + at[k], walk.stride[0][k], v[item][k]);
      to[item] = at[kInputs];
    }
    GT_UNROLL
    for (int item = 0; item < kItems; ++item) {
      if (first + item * kThreads * N >= walk.total) break;
      WideOf<Out> result[N];
      GT_UNROLL
      for (int k = 0; k < N; ++k) result[k] = from_float<WideOf<Out>>(apply(v[item], k));
      store_wide<N>(y + to[item], result);
    }
  }
};

// `views`: the inputs, of type In, then y, of type Out.
template <class In, class Out, class Op, class Queue, int V>
void launch_elementwise(Queue& queue, const Op& op, const TensorView* const (&views)[V]) {
  constexpr int kWidest = sizeof(Out) == 1 ? kPack<In> : std::max(kPack<In>, kPack<Out>);
  const StridedWalk<V> walk = make_walk(views);
  const auto run = [&](auto width) {
    using Kernel = ElementwiseKernel<Op, In, Out, decltype(width)::value, V - 1>;
    Kernel kernel{.op = op, .walk = walk, .y = views[V - 1]->template as<Out>(), .x = {}};
    for (int v = 0; v < V - 1; ++v) kernel.x[v] = views[v]->template as<In>();
    queue.launch(kernel, {.x = blocks_for(walk.total, Kernel::kElements)});
  };
  if (packs_fit(walk, views, kWidest)) return run(Width<kWidest>{});
  run(Width<1>{});
}

template <class Queue, class Args, class Op>
void launch_binary(Queue& queue, const Args& a, const Op& op) {
  with_floating_type(a.kName, a.y.dtype, [&](auto type) {
    using T = decltype(type);
    launch_elementwise<T, T>(queue, op, {&a.a, &a.b, &a.y});
  });
}
template <class Queue, class Args, class Op>
void launch_unary(Queue& queue, const Args& a, const Op& op) {
  with_floating_type(a.kName, a.y.dtype, [&](auto type) {
    using T = decltype(type);
    launch_elementwise<T, T>(queue, op, {&a.x, &a.y});
  });
}

// The launch of Args, an elementwise kernel of two inputs or of one, with its operation.
#define GT_LAUNCH_BINARY(Args, op)           \
  template <class Queue>                     \
  void launch(Queue& queue, const Args& a) { \
    launch_binary(queue, a, op);             \
  }
#define GT_LAUNCH_UNARY(Args, op)            \
  template <class Queue>                     \
  void launch(Queue& queue, const Args& a) { \
    launch_unary(queue, a, op);              \
  }

GT_LAUNCH_BINARY(Add, AddOp{})
GT_LAUNCH_BINARY(Sub, SubOp{})
GT_LAUNCH_BINARY(Mul, MulOp{})
GT_LAUNCH_BINARY(Div, DivOp{})
GT_LAUNCH_BINARY(Maximum, MaximumOp{})
GT_LAUNCH_BINARY(Minimum, MinimumOp{})
GT_LAUNCH_BINARY(MaximumShare, MaximumShareOp{})

}  // namespace gigatrain::kernels::cuda
