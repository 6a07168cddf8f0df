// SwiGLU on the CPU: see kernels/swiglu.h.
#include "kernels/swiglu.h"

#include "kernels/cpu/ahead.h"
#include "kernels/cpu/vec_math.h"
#include "kernels/cpu/walk.h"

GT_ISA_BEGIN
namespace {

GT_INLINE f32x16 logistic(f32x16 x) {
  return 1.0f / (exp(-x) + 1.0f);
}

// body(n, offset) for runs of n elements that lie side by side in each view. Where the last dim has
// one element, what a walk calls a run is a column of rows, which may have gaps.
template <int N, class Body>
GT_INLINE void for_dense_runs(CpuQueue& queue, const TensorView* const (&views)[N],
                              const Body& body) {
  const bool dense = views[0]->cols() > 1;
  for_view_runs<N>(queue, views, [&](std::int64_t n, const auto& at, const auto& stride) {
    if (dense) return body(n, at);
    for (std::int64_t i = 0; i < n; ++i) {
      std::int64_t offset[N];
      for (int v = 0; v < N; ++v) offset[v] = at[v] + i * stride[v];
      body(std::int64_t{1}, offset);
    }
  });
}

template <class T>
void forward(CpuQueue& queue, const SwigluForward& a) {
  for_dense_runs<3>(queue, {&a.gate, &a.up, &a.y}, [&](std::int64_t n, const auto& at) {
    const T *gate = a.gate.as<T>() + at[0], *up = a.up.as<T>() + at[1];
    T* y = a.y.as<T>() + at[2];
    for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
      prefetch_far(gate + i), prefetch_far(up + i);
      const f32x16 g = lanes.get(gate + i);
      lanes.put(y + i, g * logistic(g) * lanes.get(up + i));
    });
  });
}

template <class T>
void backward(CpuQueue& queue, const SwigluBackward& a) {
  const TensorView* const views[] = {&a.gate, &a.up, &a.dy, &a.dgate, &a.dup};
  for_dense_runs<5>(queue, views, [&](std::int64_t n, const auto& at) {
    const T *gate = a.gate.as<T>() + at[0], *up = a.up.as<T>() + at[1], *dy = a.dy.as<T>() + at[2];
    T *dgate = a.dgate.as<T>() + at[3], *dup = a.dup.as<T>() + at[4];
    for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
      prefetch_far(gate + i), prefetch_far(up + i), prefetch_far(dy + i);
      const f32x16 g = lanes.get(gate + i), u = lanes.get(up + i), d = lanes.get(dy + i);
      const f32x16 s = logistic(g);
      lanes.put(dgate + i, d * u * s * fma(g, 1.0f - s, splat(1.0f)));
      lanes.put(dup + i, d * g * s);
    });
  });
}

}  // namespace

void run(CpuQueue& queue, const SwigluForward& args) {
  with_activation_type(args.kName, args.y.dtype,
                       [&](auto type) { forward<decltype(type)>(queue, args); });
}

void run(CpuQueue& queue, const SwigluBackward& args) {
  with_activation_type(args.kName, args.dy.dtype,
                       [&](auto type) { backward<decltype(type)>(queue, args); });
}

GT_ISA_END

GT_CPU_KERNEL(SwigluForward)
GT_CPU_KERNEL(SwigluBackward)
