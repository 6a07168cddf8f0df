// GELU and the bias gradient on the CPU: see kernels/activation.h. f64 is a plain reference.
#include "kernels/activation.h"

#include "kernels/cpu/ahead.h"
#include "kernels/cpu/vec_math.h"
#include "kernels/cpu/work.h"

GT_ISA_BEGIN
namespace {

constexpr double kC = 1.5957691216057308, kCubic = 0.044715;  // 2 sqrt(2/pi)

double gelu(double x) {
  return x / (1.0 + __builtin_exp(-kC * (x + kCubic * x * x * x)));
}

double gelu_grad(double x) {
  const double t = __builtin_tanh(0.5 * kC * (x + kCubic * x * x * x));
  return 0.5 * (1.0 + t) + 0.25 * x * (1.0 - t * t) * kC * (1.0 + 3.0 * kCubic * x * x);
}

template <class T>
void forward(CpuQueue& queue, const GeluForward& a) {
  for_blocks(queue, a.x.numel(), kChunk, [&](std::int64_t begin, std::int64_t end, int) {
    const T* x = a.x.as<T>() + begin;
    T* y = a.y.as<T>() + begin;
    for_lanes(end - begin, [&](auto lanes, std::int64_t i) GT_BODY {
      prefetch_far(x + i);
      lanes.put(y + i, GT_ISA::gelu(lanes.get(x + i)));
    });
  });
}

template <class T>
void backward(CpuQueue& queue, const GeluBackward& a) {
  for_blocks(queue, a.x.numel(), kChunk, [&](std::int64_t begin, std::int64_t end, int) {
    const T *x = a.x.as<T>() + begin, *dy = a.dy.as<T>() + begin;
    T* dx = a.dx.as<T>() + begin;
    for_lanes(end - begin, [&](auto lanes, std::int64_t i) GT_BODY {
      prefetch_far(x + i), prefetch_far(dy + i);
      lanes.put(dx + i, lanes.get(dy + i) * GT_ISA::gelu_grad(lanes.get(x + i)));
    });
  });
}

void forward_f64(CpuQueue& queue, const GeluForward& a) {
  const double* x = a.x.as<double>();
  double* y = a.y.as<double>();
  for_blocks(queue, a.x.numel(), kChunk, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) y[i] = gelu(x[i]);
  });
}

void backward_f64(CpuQueue& queue, const GeluBackward& a) {
  const double *x = a.x.as<double>(), *dy = a.dy.as<double>();
  double* dx = a.dx.as<double>();
  for_blocks(queue, a.x.numel(), kChunk, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) dx[i] = dy[i] * gelu_grad(x[i]);
  });
}

// Adds rows [begin, end), in order, to `sum`, four at a time so that `sum` is touched less often.
template <class T>
void sum_rows(const T* dy, std::int64_t begin, std::int64_t end, std::int64_t n, float* sum) {
  __builtin_memset(sum, 0, static_cast<std::size_t>(n) * sizeof(float));
  std::int64_t row = begin;
  for (; row + 4 <= end; row += 4) {
    const T* p = dy + row * n;
    for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
      f32x16 s = lanes.get(sum + i) + lanes.get(p + i);
      for (int r = 1; r < 4; ++r) s += lanes.get(p + r * n + i);
      lanes.put(sum + i, s);
    });
  }
  for (; row < end; ++row)
    for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
      lanes.put(sum + i, lanes.get(sum + i) + lanes.get(dy + row * n + i));
    });
}

template <class T>
void bias_gradient(CpuQueue& queue, const BiasGradient& a) {
  const std::int64_t n = a.dy.cols(), rows = a.dy.rows(), blocks = blocks_of(rows, kRowBlock);
  const Scratch partials(queue, blocks * n * 4, "bias_gradient.partials");
  for_blocks(queue, rows, kRowBlock, [&](std::int64_t begin, std::int64_t end, int) {
    sum_rows(a.dy.as<const T>(), begin, end, n, partials.as<float>() + begin / kRowBlock * n);
  });
  add_partials(queue, partials.as<float>(), blocks, n, n, a.dbias.as<float>(), a.accumulate);
}

}  // namespace

void run(CpuQueue& queue, const GeluForward& args) {
  if (args.x.dtype == DType::f64) return forward_f64(queue, args);
  with_activation_type(args.kName, args.x.dtype,
                       [&](auto type) { forward<decltype(type)>(queue, args); });
}

void run(CpuQueue& queue, const GeluBackward& args) {
  if (args.x.dtype == DType::f64) return backward_f64(queue, args);
  with_activation_type(args.kName, args.x.dtype,
                       [&](auto type) { backward<decltype(type)>(queue, args); });
}

void run(CpuQueue& queue, const BiasGradient& args) {
  with_activation_type(args.kName, args.dy.dtype,
                       [&](auto type) { bias_gradient<decltype(type)>(queue, args); });
}

GT_ISA_END

GT_CPU_KERNEL(GeluForward)
GT_CPU_KERNEL(GeluBackward)
GT_CPU_KERNEL(BiasGradient)
