// Columns of a convolution, their inverse, and sums over channels, on the CPU: see kernels/conv.h.
#include "kernels/conv.h"

#include "kernels/cpu/planes.h"

GT_ISA_BEGIN
namespace {

// The output positions [begin, end) along a dim of `size` whose tap at `offset` lies inside.
struct Inside {
  std::int64_t begin, end, offset;
};

std::int64_t round_up_div(std::int64_t a, std::int64_t b) {  // of any a, positive b
  return a > 0 ? (a + b - 1) / b : -(-a / b);
}

Inside inside(const ConvWindow& w, int dim, std::int64_t tap, std::int64_t size, std::int64_t out) {
  const std::int64_t offset = tap * w.dilation[dim] - w.padding[dim];
  const std::int64_t begin = smaller(larger(round_up_div(-offset, w.stride[dim]), 0), out);
  const std::int64_t end = smaller(round_up_div(size - offset, w.stride[dim]), out);
  return {begin, larger(begin, end), offset};
}

// The shape of a call, and where a sample's and a channel's (or tap's) part begins.
struct Sizes {
  std::int64_t samples, channels, height, width, out_width, taps;
  std::int64_t x_sample, x_channel, column_sample, column_tap;

  Sizes(const TensorView& x, const TensorView& columns, const ConvWindow& w)
      : samples(x.shape[0]),
        channels(x.shape[1]),
        height(x.shape[2]),
        width(x.shape[3]),
        out_width(conv_size(w, 1, x.shape[3])),
        taps(w.kernel[0] * w.kernel[1]),
        x_sample(x.strides[0]),
        x_channel(x.strides[1]),
        column_sample(columns.strides[0]),
        column_tap(columns.strides[1]) {}
};

// One line of one tap: zeros, a run of x, zeros.
template <class T>
GT_INLINE void gather_line(const T* x, std::int64_t stride, const Inside& in, T* to,
                           std::int64_t out) {
  for (std::int64_t i = 0; i < in.begin; ++i) to[i] = T{};
  if (stride == 1)
    __builtin_memcpy(to + in.begin, x + in.begin + in.offset,
                     static_cast<std::size_t>(in.end - in.begin) * sizeof(T));
  else
    for (std::int64_t i = in.begin; i < in.end; ++i) to[i] = x[i * stride + in.offset];
  for (std::int64_t i = in.end; i < out; ++i) to[i] = T{};
}

// T: an unsigned integer of the element's size, since bits are only moved.
template <class T>
void im2col(CpuQueue& queue, const Im2col& a) {
  const Sizes z(a.x, a.columns, a.window);
  const ConvWindow& w = a.window;
  const std::int64_t all = z.channels * z.taps, pixels = a.columns.shape[2];
  if (pixels == 0) return;
  const std::int64_t rows = pixels / z.out_width;
  for_blocks(queue, z.samples * all, larger(kChunk / pixels, 1),
             [&](std::int64_t begin, std::int64_t end, int) {
               for (std::int64_t at = begin; at < end; ++at) {
                 const std::int64_t s = at / all, k = at % all, c = k / z.taps;
                 const std::int64_t i = k / w.kernel[1] % w.kernel[0], j = k % w.kernel[1];
                 const T* x = a.x.as<T>() + s * z.x_sample + c * z.x_channel;
                 T* to = a.columns.as<T>() + s * z.column_sample + k * z.column_tap;
                 const Inside across = inside(w, 1, j, z.width, z.out_width);
                 for (std::int64_t row = 0; row < rows; ++row, to += z.out_width) {
                   const std::int64_t h =
                       (a.first_row + row) * w.stride[0] - w.padding[0] + i * w.dilation[0];
                   const bool padding = h < 0 || h >= z.height;
                   gather_line(x + (padding ? 0 : h * z.width), w.stride[1],
                               padding ? Inside{z.out_width, z.out_width, 0} : across, to,
                               z.out_width);
                 }
               }
             });
}

// Adds one line of one tap to a line of sums, at another stride than 1.
template <class T>
GT_INLINE void add_line(const T* from, std::int64_t stride, const Inside& in, float* sums) {
  float* to = sums + in.begin * stride + in.offset;
  from += in.begin;
  for (std::int64_t i = 0; i < in.end - in.begin; ++i)
    to[i * stride] += static_cast<float>(from[i]);
}

// One line of dx: each element's contributions in ascending order of (i, j).
template <class T>
void col2im_line(const Col2im& a, const Sizes& z, std::int64_t line, float* sums) {
  const ConvWindow& w = a.window;
  const std::int64_t h = line % z.height, c = line / z.height % z.channels,
                     s = line / z.height / z.channels;
  const T* columns = a.columns.as<const T>() + s * z.column_sample + c * z.taps * z.column_tap;
  for_lanes(z.width, [&](auto lanes, std::int64_t i) GT_BODY { lanes.put(sums + i, f32x16{}); });
  const std::int64_t out_height = conv_size(w, 0, z.height);
  for (std::int64_t i = 0; i < w.kernel[0]; ++i) {
    const std::int64_t down = h + w.padding[0] - i * w.dilation[0], oh = down / w.stride[0];
    if (down < 0 || down % w.stride[0] != 0 || oh >= out_height) continue;
    for (std::int64_t j = 0; j < w.kernel[1]; ++j)
      add_line(columns + (i * w.kernel[1] + j) * z.column_tap + oh * z.out_width, w.stride[1],
               inside(w, 1, j, z.width, z.out_width), sums);
  }
  T* dx = a.dx.as<T>() + s * z.x_sample + c * z.x_channel + h * z.width;
  for_lanes(z.width,
            [&](auto lanes, std::int64_t i) GT_BODY { lanes.put(dx + i, lanes.get(sums + i)); });
}

// Lanes x ... x + 15 of a line of dx of what a tap gives them at stride 1: 0 where it lies outside.
template <class T>
GT_INLINE f32x16 tap_lanes(const T* from, std::int64_t at, std::int64_t n) {
  if (at >= 0 && at + kLanes <= n) return load(from + at);
  T part[kLanes];
  for (std::int64_t l = 0; l < kLanes; ++l)
    part[l] = at + l >= 0 && at + l < n ? from[at + l] : T(0.0f);
  return load(part);
}

// The same line at stride 1, sixteen elements after the other: their sums stay in a register. (Sums
// begin at +0, which an added 0 does not change.)
template <class T>
void col2im_dense_line(const Col2im& a, const Sizes& z, std::int64_t line) {
  const ConvWindow& w = a.window;
  const std::int64_t h = line % z.height, c = line / z.height % z.channels,
                     s = line / z.height / z.channels, out_height = conv_size(w, 0, z.height);
  const T* columns = a.columns.as<const T>() + s * z.column_sample + c * z.taps * z.column_tap;
  T* dx = a.dx.as<T>() + s * z.x_sample + c * z.x_channel + h * z.width;
  for (std::int64_t begin = 0; begin < z.width; begin += kLanes) {
    const std::int64_t x = larger(smaller(begin, z.width - kLanes), 0);
    f32x16 sum{};
    for (std::int64_t i = 0; i < w.kernel[0]; ++i) {
      const std::int64_t down = h + w.padding[0] - i * w.dilation[0], oh = down / w.stride[0];
      if (down < 0 || down % w.stride[0] != 0 || oh >= out_height) continue;
      const T* tap = columns + i * w.kernel[1] * z.column_tap + oh * z.out_width;
      for (std::int64_t j = 0; j < w.kernel[1]; ++j, tap += z.column_tap)
        sum += tap_lanes(tap, x + w.padding[1] - j * w.dilation[1], z.out_width);
    }
    if (z.width < kLanes)
      store_part(dx, sum, z.width);
    else
      store(dx + x, sum);
  }
}

template <class T>
void col2im(CpuQueue& queue, const Col2im& a) {
  const Sizes z(a.dx, a.columns, a.window);
  if (z.width == 0) return;
  const std::int64_t floats = padded(z.width);
  const Scratch sums(queue, queue.pool.threads() * floats * 4, "col2im.line");
  for_blocks(queue, z.samples * z.channels * z.height, larger(kChunk / (z.width * z.taps), 1),
             [&](std::int64_t begin, std::int64_t end, int worker) {
               for (std::int64_t line = begin; line < end; ++line)
                 if (a.window.stride[1] == 1)
                   col2im_dense_line<T>(a, z, line);
                 else
                   col2im_line<T>(a, z, line, sums.as<float>() + worker * floats);
             });
}

template <class T>
void channel_sum(CpuQueue& queue, const ChannelSum& a) {
  const std::int64_t samples = a.x.shape[0], channels = a.x.shape[1], pixels = a.x.shape[2];
  const Scratch partials(queue, samples * channels * 4, "channel_sum.partials");
  for_blocks(queue, samples * channels, larger(kChunk / larger(pixels, 1), 1),
             [&](std::int64_t begin, std::int64_t end, int) {
               for (std::int64_t at = begin; at < end; ++at) {
                 const T* x = a.x.as<const T>() + at * pixels;
                 partials.as<float>()[at] = plane_sum(
                     pixels, [&](auto lanes, std::int64_t i) GT_BODY { return lanes.get(x + i); });
               }
             });
  add_partials(queue, partials.as<float>(), samples, channels, channels, a.y.as<float>(),
               a.accumulate);
}

}  // namespace

void run(CpuQueue& queue, const Im2col& args) {
  with_activation_type(args.kName, args.x.dtype, [&](auto type) {
    if constexpr (sizeof(type) == 2)
      im2col<std::uint16_t>(queue, args);
    else
      im2col<std::uint32_t>(queue, args);
  });
}

void run(CpuQueue& queue, const Col2im& args) {
  with_activation_type(args.kName, args.dx.dtype,
                       [&](auto type) { col2im<decltype(type)>(queue, args); });
}

void run(CpuQueue& queue, const ChannelSum& args) {
  with_activation_type(args.kName, args.x.dtype,
                       [&](auto type) { channel_sum<decltype(type)>(queue, args); });
}

GT_ISA_END

GT_CPU_KERNEL(Im2col)
GT_CPU_KERNEL(Col2im)
GT_CPU_KERNEL(ChannelSum)
