// Layer normalisation on the CPU: see kernels/norm.h. A row is read from memory once and its later
// passes hit the cache. Mean first, then the mean of squared deviations: no cancellation.
//
//   backward, with xhat = (s - mean) rstd and g = dy weight:
//   ds = rstd (g - mean(g) - xhat mean(g xhat)),   dweight = sum dy xhat,   dbias = sum dy
//
// and for RMS normalisation the same without the two means of s and g.
#include "kernels/norm.h"

#include "kernels/cpu/ahead.h"
#include "kernels/cpu/dropout_mask.h"
#include "kernels/cpu/work.h"

GT_ISA_BEGIN
namespace {

// sum = x + dropout(delta), rounded to T.
template <class T>
void add_delta(const LayerNormForward& a, std::int64_t row, std::int64_t n, float* buffer) {
  const T *x = a.x.as<T>() + row * n, *delta = a.delta.as<T>() + row * n;
  T* sum = a.sum.as<T>() + row * n;
  if (!a.dropout) {
    for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
      prefetch_far(x + i), prefetch_far(delta + i);
      lanes.put(sum + i, lanes.get(x + i) + lanes.get(delta + i));
    });
    return;
  }
  const float* factor = dropout_row(a.dropout, row, n, 0, n, buffer);
  for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
    prefetch_far(x + i), prefetch_far(delta + i);
    const f32x16 d = apply_dropout(lanes.get(delta + i), lanes.get(factor + i));
    lanes.put(sum + i, lanes.get(x + i) + d);
  });
}

template <class T>
void normalise(const LayerNormForward& a, const T* s, std::int64_t row, std::int64_t n) {
  f32x16 total{}, squares{};
  if (a.centered)
    for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY { total += lanes.get(s + i); });
  const float mean = reduce_add(total) / static_cast<float>(n);
  for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
    if (!a.delta) prefetch_far(s + i);
    const f32x16 d = lanes.keep(lanes.get(s + i) - mean);
    squares = fma(d, d, squares);
  });
  const float variance = reduce_add(squares) / static_cast<float>(n);
  const float rstd = 1.0f / __builtin_sqrtf(variance + a.eps);
  const float *weight = a.weight.as<float>(), *bias = a.bias.as<float>();
  T* y = a.y.as<T>() + row * n;
  for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
    const f32x16 xhat = (lanes.get(s + i) - mean) * rstd;
    lanes.put(y + i, fma(xhat, lanes.get(weight + i), bias ? lanes.get(bias + i) : f32x16{}));
  });
  if (a.centered) a.mean.as<float>()[row] = mean;
  a.rstd.as<float>()[row] = rstd;
}

template <class T>
void forward(CpuQueue& queue, const LayerNormForward& a) {
  const std::int64_t n = a.x.cols(), rows = a.x.rows();
  const std::int64_t floats = a.dropout ? dropout_row_floats(n) : 0;
  const Scratch masks(queue, floats * 4 * queue.pool.threads(), "layer_norm.dropout");
  for_blocks(queue, rows, kRowBlock, [&](std::int64_t begin, std::int64_t end, int worker) {
    for (std::int64_t row = begin; row < end; ++row) {
      if (a.delta) add_delta<T>(a, row, n, masks.as<float>() + worker * floats);
      normalise(a, (a.delta ? a.sum : a.x).as<const T>() + row * n, row, n);
    }
  });
}

// One row's part of the backward. dweight, dbias: this block's partial sums, or null.
template <class T>
void backward_row(const LayerNormBackward& a, std::int64_t row, std::int64_t n, float* dweight,
                  float* dbias) {
  const T *s = a.s.as<T>() + row * n, *dy = a.dy.as<T>() + row * n;
  const float* weight = a.weight.as<float>();
  const float mean = a.centered ? a.mean.as<float>()[row] : 0.0f, rstd = a.rstd.as<float>()[row];
  f32x16 sum_g{}, sum_gx{};
  for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
    prefetch_far(dy + i), prefetch_far(s + i);
    const f32x16 d = lanes.get(dy + i), g = d * lanes.get(weight + i);
    const f32x16 xhat = (lanes.get(s + i) - mean) * rstd;  // d is 0 in missing lanes
    sum_g += g;
    sum_gx = fma(g, xhat, sum_gx);
    if (!dweight) return;
    lanes.put(dweight + i, fma(d, xhat, lanes.get(dweight + i)));
    lanes.put(dbias + i, lanes.get(dbias + i) + d);
  });
  const float mean_g = a.centered ? reduce_add(sum_g) / static_cast<float>(n) : 0.0f;
  const float mean_gx = reduce_add(sum_gx) / static_cast<float>(n);
  const T* residual = a.dresidual ? a.dresidual.as<T>() + row * n : nullptr;
  T* ds = a.dsum.as<T>() + row * n;
  for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
    if (residual) prefetch_far(residual + i);
    const f32x16 g = lanes.get(dy + i) * lanes.get(weight + i);
    const f32x16 xhat = (lanes.get(s + i) - mean) * rstd;
    const f32x16 d = fma(xhat, splat(-mean_gx), g - mean_g) * rstd;
    lanes.put(ds + i, residual ? lanes.get(residual + i) + d : d);
  });
}

template <class T>
void drop_gradient(const LayerNormBackward& a, std::int64_t row, std::int64_t n, float* buffer) {
  const float* factor = dropout_row(a.dropout, row, n, 0, n, buffer);
  const T* ds = a.dsum.as<T>() + row * n;
  T* dd = a.ddelta.as<T>() + row * n;
  for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
    lanes.put(dd + i, apply_dropout(lanes.get(ds + i), lanes.get(factor + i)));
  });
}

template <class T>
void backward(CpuQueue& queue, const LayerNormBackward& a) {
  const std::int64_t n = a.s.cols(), rows = a.s.rows(), stride = padded(n);
  const std::int64_t blocks = blocks_of(rows, kRowBlock), floats = dropout_row_floats(n);
  const bool parameters = a.dweight || a.dbias;
  const Scratch partials(queue, parameters ? blocks * 2 * stride * 4 : 0, "layer_norm.partials");
  const Scratch masks(queue, a.ddelta ? floats * 4 * queue.pool.threads() : 0,
                      "layer_norm.dropout");
  for_blocks(queue, rows, kRowBlock, [&](std::int64_t begin, std::int64_t end, int worker) {
    float* dweight = parameters ? partials.as<float>() + begin / kRowBlock * 2 * stride : nullptr;
    if (parameters) __builtin_memset(dweight, 0, static_cast<std::size_t>(2 * stride) * 4);
    for (std::int64_t row = begin; row < end; ++row) {
      backward_row<T>(a, row, n, dweight, dweight + stride);
      if (a.ddelta) drop_gradient<T>(a, row, n, masks.as<float>() + worker * floats);
    }
  });
  const float* sums = partials.as<float>();
  if (a.dweight)
    add_partials(queue, sums, blocks, 2 * stride, n, a.dweight.as<float>(), a.accumulate);
  if (a.dbias)
    add_partials(queue, sums + stride, blocks, 2 * stride, n, a.dbias.as<float>(), a.accumulate);
}

}  // namespace

void run(CpuQueue& queue, const LayerNormForward& args) {
  with_activation_type(args.kName, args.x.dtype,
                       [&](auto type) { forward<decltype(type)>(queue, args); });
}

void run(CpuQueue& queue, const LayerNormBackward& args) {
  with_activation_type(args.kName, args.s.dtype,
                       [&](auto type) { backward<decltype(type)>(queue, args); });
}

GT_ISA_END

GT_CPU_KERNEL(LayerNormForward)
GT_CPU_KERNEL(LayerNormBackward)
