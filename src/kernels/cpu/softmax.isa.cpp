// Softmax and its gradient on the CPU: see kernels/softmax.h. The passes over a row after the first
// run over the cache.
#include "kernels/softmax.h"

#include "kernels/cpu/softmax_row.h"

GT_ISA_BEGIN
namespace {

// `terms` holds n floats, and may be y when T is float.
template <class T>
void forward_row(const T* x, T* y, std::int64_t n, bool log, float* terms, const T* next) {
  const float highest = row_max(x, n), sum = sum_exp(x, n, highest, log ? nullptr : terms, next);
  const float factor = 1.0f / sum, shift = GT_ISA::log(sum);
  for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
    lanes.put(y + i, log ? lanes.get(x + i) - highest - shift : lanes.get(terms + i) * factor);
  });
}

// The sum of y dy, or of dy.
template <class T>
float gradient_sum(const T* y, const T* dy, std::int64_t n, bool log) {
  f32x16 total{};
  for (std::int64_t b = 0; b < n; b += kSumBlock) {
    f32x16 part{};
    for_lanes(smaller(kSumBlock, n - b), [&](auto lanes, std::int64_t i) GT_BODY {
      const f32x16 d = lanes.get(dy + b + i);
      part += log ? d : d * lanes.get(y + b + i);  // missing lanes are 0
    });
    total += part;
  }
  return reduce_add(total);
}

template <class T>
void backward_row(const T* y, const T* dy, T* dx, std::int64_t n, bool log) {
  const float sum = gradient_sum(y, dy, n, log);
  for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
    const f32x16 v = lanes.get(y + i), d = lanes.get(dy + i);
    lanes.put(dx + i, log ? d - exp(v) * sum : v * (d - sum));
  });
}

// body(first element, that of the next row of the task, worker) for each row.
template <class Body>
GT_INLINE void for_rows(CpuQueue& queue, const TensorView& x, const Body& body) {
  const std::int64_t n = x.cols();
  for_blocks(queue, x.rows(), softmax_rows(n), [&](std::int64_t begin, std::int64_t end, int w) {
    for (std::int64_t row = begin; row < end; ++row)
      body(row * n, smaller(row + 1, end - 1) * n, w);
  });
}

}  // namespace

void run(CpuQueue& queue, const SoftmaxForward& args) {
  with_activation_type(args.kName, args.x.dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = args.x.as<T>();
    T* y = args.y.as<T>();
    const bool in_place = sizeof(T) == sizeof(float);
    const std::int64_t n = args.x.cols(), floats = in_place || args.log ? 0 : padded(n);
    const Scratch scratch(queue, floats * 4 * queue.pool.threads(), "softmax.terms");
    for_rows(queue, args.x, [&](std::int64_t at, std::int64_t next, int worker) {
      void* terms = in_place ? static_cast<void*>(y + at) : scratch.as<float>() + worker * floats;
      forward_row(x + at, y + at, n, args.log, static_cast<float*>(terms), x + next);
    });
  });
}

void run(CpuQueue& queue, const SoftmaxBackward& args) {
  with_activation_type(args.kName, args.y.dtype, [&](auto type) {
    using T = decltype(type);
    const T *y = args.y.as<T>(), *dy = args.dy.as<T>();
    T* dx = args.dx.as<T>();
    for_rows(queue, args.y, [&](std::int64_t at, std::int64_t, int) {
      backward_row(y + at, dy + at, dx + at, args.y.cols(), args.log);
    });
  });
}

GT_ISA_END

GT_CPU_KERNEL(SoftmaxForward)
GT_CPU_KERNEL(SoftmaxBackward)
