// Convolution as a matrix product. With K = C / G KH KW taps of a group and P = H' W' pixels, and
// columns as in kernels/conv.h, for each sample and group:
//
//   y (Cout / G, P) = W columns [+ bias],   dcolumns = W^T dy,   dW (+)= dy columns^T
//
// Columns are made chunk by chunk, so that they stay small. A chunk is a function of one sample's
// shape and the kind of device; only dW, a sum over samples, depends on it.

#include "ops/conv_products.h"

#include <algorithm>

#include "gigatrain/tensor/tensor.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"

namespace gigatrain::ops {

namespace {

constexpr std::int64_t kCpuColumns = 1 << 20, kGpuColumns = 64 << 20;  // bytes of a chunk

std::int64_t limit_of(const Device& device) {
  return device.is_cpu() ? kCpuColumns : kGpuColumns;
}

// Part of a tensor's memory, seen in another shape.
TensorView window_of(const TensorView& x, std::int64_t first, const Shape& shape,
                     const Strides& strides) {
  TensorView v(static_cast<char*>(x.data) + first * size_of(x.dtype), x.dtype, shape);
  v.strides = strides;
  return v;
}

TensorView entry(const TensorView& x, int dim, std::int64_t i) {
  TensorView v(
      static_cast<char*>(x.data) + i * x.strides[static_cast<std::size_t>(dim)] * size_of(x.dtype),
      x.dtype, {x.shape[1 - dim], x.shape[2], x.shape[3]});
  v.strides = {x.strides[static_cast<std::size_t>(1 - dim)], x.strides[2], x.strides[3]};
  return v;
}

// A product for each sample and group: a, b, c are (S, G, rows, columns), and the longer of the
// first two dims becomes the product's batch.
void multiply(Stream& stream, const kernels::Gemm& all) {
  const int loop = all.c.shape[0] >= all.c.shape[1] ? 1 : 0;
  for (std::int64_t i = 0; i < all.c.shape[loop]; ++i) {
    kernels::Gemm one = all;
    one.a = entry(all.a, loop, i), one.b = entry(all.b, loop, i), one.c = entry(all.c, loop, i);
    stream.submit(one);
  }
}

// --- the operands, as (S, G, rows, columns)

// Channels of x or dy, in samples from `first` on: (samples, G, channels / G, P).
TensorView planes(const TensorView& x, std::int64_t groups, std::int64_t first,
                  std::int64_t samples, std::int64_t pixel, std::int64_t pixels) {
  const std::int64_t channels = x.shape[1], area = x.shape[2] * x.shape[3];
  return window_of(x, first * channels * area + pixel, {samples, groups, channels / groups, pixels},
                   {channels * area, channels / groups * area, area, 1});
}

// The weight, the same for every sample: (samples, G, Cout / G, K).
TensorView weights(const TensorView& w, const Conv& p, std::int64_t samples) {
  const std::int64_t rows = p.out_channels / p.groups, k = p.group_taps();
  return window_of(w, 0, {samples, p.groups, rows, k}, {0, rows * k, k, 1});
}

// Columns (samples, C KH KW, P') as (samples, G, K, P').
TensorView grouped(const TensorView& columns, const Conv& p) {
  const std::int64_t k = p.group_taps();
  return window_of(columns, 0, {columns.shape[0], p.groups, k, columns.shape[2]},
                   {columns.strides[0], k * columns.strides[1], columns.strides[1], 1});
}

// --- chunks

// Samples [sample, sample + samples), or, of one large sample, output rows [row, row + rows).
struct Chunk {
  std::int64_t sample, samples, row, rows;
};

// Samples whose columns, and results, stay below the limit; 0: one alone is larger.
std::int64_t samples_that_fit(const Conv& p, DType dtype, std::int64_t limit) {
  const std::int64_t rows = std::max(p.channels * p.taps(), p.out_channels);
  return std::min(limit / (rows * p.pixels() * size_of(dtype)), p.samples);
}

template <class Body>
void for_chunks(const Conv& p, DType dtype, std::int64_t limit, const Body& body) {
  const std::int64_t fit = samples_that_fit(p, dtype, limit),
                     samples = std::max<std::int64_t>(fit, 1);
  const std::int64_t row = p.channels * p.taps() * p.out_width() * size_of(dtype);
  const std::int64_t rows = fit > 0 ? p.out_height() : std::max<std::int64_t>(limit / row, 1);
  for (std::int64_t s = 0; s < p.samples; s += samples)
    for (std::int64_t r = 0; r < p.out_height(); r += rows)
      body(Chunk{s, std::min(samples, p.samples - s), r, std::min(rows, p.out_height() - r)});
}

// Memory for columns, taken once and used by every chunk.
class Columns {
 public:
  Columns(Device& device, DType dtype) : device_(device), dtype_(dtype) {}

  // (samples, taps, pixels); by_tap: with one tap's pixels of all samples in a row.
  TensorView of(std::int64_t samples, std::int64_t taps, std::int64_t pixels, bool by_tap = false) {
    const std::int64_t count = samples * taps * pixels;
    if (!memory_ || memory_.numel() < count)
      memory_ = Tensor::empty(device_, {count}, dtype_, {Purpose::workspace, "conv.columns"});
    const Strides by_sample{taps * pixels, pixels, 1}, tap_first{pixels, samples * pixels, 1};
    return window_of(memory_.view(), 0, {samples, taps, pixels}, by_tap ? tap_first : by_sample);
  }

 private:
  Device& device_;
  DType dtype_;
  Tensor memory_;
};

kernels::Im2col gather(const TensorView& x, const Conv& p, const Chunk& chunk,
                       const TensorView& columns) {
  TensorView part = x;
  part.data = x.as<char>() + chunk.sample * x.strides[0] * size_of(x.dtype);
  part.shape[0] = chunk.samples;
  return {.x = part, .columns = columns, .window = p.window, .first_row = chunk.row};
}

// dx of some channels of one group, or of all channels of all groups.
struct Part {
  std::int64_t groups, group, channel, channels;  // the first channel, within its group
};

void backward_input_part(Device& device, const Conv& p, const Chunk& k, const Part& part,
                         const TensorView& w, const TensorView& dy, const TensorView& dx,
                         Columns& memory) {
  const std::int64_t all = part.groups * part.channels, taps = part.channels * p.taps();
  const std::int64_t area = p.height * p.width, per_group = p.channels / p.groups;
  const TensorView columns = memory.of(k.samples, all * p.taps(), p.pixels());
  const std::int64_t rows = p.out_channels / p.groups;
  const TensorView from = window_of(w, part.group * rows * p.group_taps() + part.channel * p.taps(),
                                    {k.samples, part.groups, rows, taps},
                                    {0, rows * p.group_taps(), p.group_taps(), 1});
  TensorView gradient = planes(dy, p.groups, k.sample, k.samples, 0, p.pixels());
  gradient.data = gradient.as<char>() + part.group * gradient.strides[1] * size_of(dy.dtype);
  gradient.shape[1] = part.groups;
  const TensorView to = window_of(columns, 0, {k.samples, part.groups, taps, p.pixels()},
                                  {columns.strides[0], taps * p.pixels(), p.pixels(), 1});
  multiply(device.stream(), {.a = from, .b = gradient, .c = to, .trans_a = true});
  const std::int64_t first = (k.sample * p.channels + part.group * per_group + part.channel) * area;
  device.stream().submit(
      kernels::Col2im{.columns = columns,
                      .dx = window_of(dx, first, {k.samples, all, p.height, p.width},
                                      {p.channels * area, area, p.width, 1}),
                      .window = p.window});
}

}  // namespace

void conv_forward(Device& device, const Conv& p, const TensorView& x, const TensorView& w,
                  const TensorView& y) {
  Stream& stream = device.stream();
  if (p.pointwise())
    return multiply(stream, {.a = weights(w, p, p.samples),
                             .b = planes(x, p.groups, 0, p.samples, 0, p.pixels()),
                             .c = planes(y, p.groups, 0, p.samples, 0, p.pixels())});
  Columns memory(device, x.dtype);
  for_chunks(p, x.dtype, limit_of(device), [&](const Chunk& k) {
    const std::int64_t pixels = k.rows * p.out_width();
    const TensorView columns = memory.of(k.samples, p.channels * p.taps(), pixels);
    stream.submit(gather(x, p, k, columns));
    multiply(stream,
             {.a = weights(w, p, k.samples),
              .b = grouped(columns, p),
              .c = planes(y, p.groups, k.sample, k.samples, k.row * p.out_width(), pixels)});
  });
}

void conv_backward_input(Device& device, const Conv& p, const TensorView& w, const TensorView& dy,
                         const TensorView& dx) {
  const std::int64_t per_group = p.channels / p.groups, limit = limit_of(device);
  if (p.pointwise())
    return multiply(device.stream(), {.a = weights(w, p, p.samples),
                                      .b = planes(dy, p.groups, 0, p.samples, 0, p.pixels()),
                                      .c = planes(dx, p.groups, 0, p.samples, 0, p.pixels()),
                                      .trans_a = true});
  Columns memory(device, dx.dtype);
  const std::int64_t fit = samples_that_fit(p, dx.dtype, limit);
  const std::int64_t channel = p.taps() * p.pixels() * size_of(dx.dtype);
  const std::int64_t step = std::clamp<std::int64_t>(limit / channel, 1, per_group);
  for (std::int64_t s = 0; s < p.samples; s += std::max<std::int64_t>(fit, 1)) {
    const Chunk k{s, std::min(std::max<std::int64_t>(fit, 1), p.samples - s), 0, p.out_height()};
    if (fit > 0) {
      backward_input_part(device, p, k, {p.groups, 0, 0, per_group}, w, dy, dx, memory);
      continue;
    }
    for (std::int64_t g = 0; g < p.groups; ++g)
      for (std::int64_t c = 0; c < per_group; c += step)
        backward_input_part(device, p, k, {1, g, c, std::min(step, per_group - c)}, w, dy, dx,
                            memory);
  }
}

// dw (f32) (+)= the sum over chunks, in ascending order, each one product over all its pixels.
void conv_backward_weight(Device& device, const Conv& p, const TensorView& x, const TensorView& dy,
                          const TensorView& dw, bool accumulate) {
  Stream& stream = device.stream();
  if (p.samples == 0 && !accumulate) stream.submit(kernels::Fill{.y = dw, .value = 0.0});
  Columns memory(device, x.dtype), rows(device, x.dtype);
  const std::int64_t k = p.group_taps(), out = p.out_channels / p.groups;
  for_chunks(p, x.dtype, limit_of(device), [&](const Chunk& chunk) {
    const std::int64_t pixels = chunk.rows * p.out_width(), length = chunk.samples * pixels;
    TensorView columns,
        gradient = planes(dy, 1, chunk.sample, chunk.samples, chunk.row * p.out_width(), pixels);
    if (p.pointwise() && chunk.samples == 1) {
      columns = planes(x, 1, chunk.sample, 1, chunk.row * p.width, pixels);
      columns = window_of(columns, 0, {1, p.channels, pixels}, {0, columns.strides[2], 1});
    } else {
      columns = memory.of(chunk.samples, p.channels * p.taps(), pixels, true);
      stream.submit(gather(x, p, chunk, columns));
    }
    if (chunk.samples > 1) {
      const TensorView together = rows.of(chunk.samples, p.out_channels, pixels, true);
      const TensorView from =
          window_of(gradient, 0, together.shape, {gradient.strides[0], gradient.strides[2], 1});
      stream.submit(kernels::Copy{.x = from, .y = together});
      gradient = window_of(together, 0, {1, 1, p.out_channels, length}, {0, 0, length, 1});
    }
    const std::int64_t a_row = gradient.strides[2], b_row = columns.strides[1];
    multiply(stream,
             {.a = window_of(gradient, 0, {1, p.groups, out, length}, {0, out * a_row, a_row, 1}),
              .b = window_of(columns, 0, {1, p.groups, k, length}, {0, k * b_row, b_row, 1}),
              .c = window_of(dw, 0, {1, p.groups, out, k}, {0, out * k, k, 1}),
              .trans_b = true,
              .accumulate = accumulate});
    accumulate = true;
  });
}

}  // namespace gigatrain::ops
