// How an elementwise operation runs: over the runs of its views, sixteen f32 lanes at a time
// (16-bit types go through f32), or one f64 at a time. An operation is a small struct with a
// function for lanes and one for f64, the reference.
#pragma once

#include "kernels/cpu/ahead.h"
#include "kernels/cpu/vec_math.h"
#include "kernels/cpu/walk.h"

GT_ISA_BEGIN

// op on n contiguous elements: of f64 one by one, of the others by lanes.
template <class T, class Op, class... In>
GT_INLINE void apply(const Op& op, std::int64_t n, T* y, const In*... x) {
  if constexpr (sizeof(T) == sizeof(double)) {
    for (std::int64_t i = 0; i < n; ++i) y[i] = op(x[i]...);
  } else {
    for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
      (prefetch_far(x + i), ...);
      lanes.put(y + i, op(lanes.get(x + i)...));
    });
  }
}

template <class T, class Op>
void unary_as(CpuQueue& queue, const TensorView& x, const TensorView& y, const Op& op) {
  for_view_runs<2>(queue, {&x, &y}, [&](std::int64_t n, const auto& at, const auto& stride) {
    for_pieces(n, Run<const T>{x.as<const T>() + at[0], stride[0]},
               Run<T>{y.as<T>() + at[1], stride[1]},
               [&](const T* in, T* out, std::int64_t m) GT_BODY { apply(op, m, out, in); });
  });
}

template <class T, class Op>
void binary_as(CpuQueue& queue, const TensorView& a, const TensorView& b, const TensorView& y,
               const Op& op) {
  for_view_runs<3>(queue, {&a, &b, &y}, [&](std::int64_t n, const auto& at, const auto& stride) {
    for_pieces(n, Run<const T>{a.as<const T>() + at[0], stride[0]},
               Run<const T>{b.as<const T>() + at[1], stride[1]},
               Run<T>{y.as<T>() + at[2], stride[2]},
               [&](const T* left, const T* right, T* out, std::int64_t m)
                   GT_BODY { apply(op, m, out, left, right); });
  });
}

template <class Args, class Op>
GT_INLINE void unary(CpuQueue& queue, const Args& args, const Op& op) {
  with_floating_type(args.kName, args.x.dtype,
                     [&](auto type) { unary_as<decltype(type)>(queue, args.x, args.y, op); });
}

template <class Args, class Op>
GT_INLINE void binary(CpuQueue& queue, const Args& args, const Op& op) {
  with_floating_type(args.kName, args.a.dtype, [&](auto type) {
    binary_as<decltype(type)>(queue, args.a, args.b, args.y, op);
  });
}

GT_ISA_END

// The kernel Args of one or two inputs, with its operation.
#define GT_RUN_UNARY(Args, op)                  \
  void run(CpuQueue& queue, const Args& args) { \
    unary(queue, args, op);                     \
  }
#define GT_RUN_BINARY(Args, op)                 \
  void run(CpuQueue& queue, const Args& args) { \
    binary(queue, args, op);                    \
  }
