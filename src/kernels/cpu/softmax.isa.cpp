// Softmax and its gradient on the CPU: see kernels/softmax.h. The passes over a row after the first
// run over the cache.
#include "kernels/softmax.h"

#include "kernels/cpu/softmax_row.h"

GT_ISA_BEGIN
namespace {

template <class T>
void forward_row(const T* x, T* y, std::int64_t n, bool log) {
  const float highest = row_max(x, n), sum = sum_exp(x, n, highest, nullptr);
  const float factor = 1.0f / sum, shift = GT_ISA::log(sum);
  for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
    const f32x16 v = lanes.get(x + i) - highest;
    lanes.put(y + i, log ? v - shift : exp(v) * factor);
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

// body(first element) for each row, tasks of about kChunk elements.
template <class Body>
GT_INLINE void for_rows(CpuQueue& queue, const TensorView& x, const Body& body) {
  const std::int64_t n = x.cols(), size = larger(1, kChunk / larger(1, n));
  for_blocks(queue, x.rows(), size, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t row = begin; row < end; ++row) body(row * n);
  });
}

}  // namespace

void run(CpuQueue& queue, const SoftmaxForward& args) {
  with_activation_type(args.kName, args.x.dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = args.x.as<T>();
    T* y = args.y.as<T>();
    for_rows(queue, args.x,
             [&](std::int64_t at) { forward_row(x + at, y + at, args.x.cols(), args.log); });
  });
}

void run(CpuQueue& queue, const SoftmaxBackward& args) {
  with_activation_type(args.kName, args.y.dtype, [&](auto type) {
    using T = decltype(type);
    const T *y = args.y.as<T>(), *dy = args.dy.as<T>();
    T* dx = args.dx.as<T>();
    for_rows(queue, args.y, [&](std::int64_t at) {
      backward_row(y + at, dy + at, dx + at, args.y.cols(), args.log);
    });
  });
}

GT_ISA_END

GT_CPU_KERNEL(SoftmaxForward)
GT_CPU_KERNEL(SoftmaxBackward)
