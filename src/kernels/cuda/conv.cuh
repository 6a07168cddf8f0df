// Columns of a convolution, their inverse, and sums over channels, on the GPU: kernels/conv.h.
// Windows overlap at any offset, so accesses are of single elements, neighbouring threads' beside
// each other; each thread reads its window from the first cache.
#pragma once

#include "kernels/conv.h"
#include "kernels/cuda/columns.cuh"
#include "kernels/cuda/geometry.h"

namespace gigatrain::kernels::cuda {

// An (S, C) tensor of planes, and the columns that go with it. Planes have fewer than 2^31
// elements, padding included (ops/conv.cpp): positions in them are ints, which divide fast.
struct ConvSizes {
  std::int64_t samples, channels;
  int height, width, out_height, out_width;
  int kernel[2] = {}, stride[2] = {}, padding[2] = {}, dilation[2] = {};
  std::int64_t x_sample, x_channel, column_sample, column_tap;
};

inline ConvSizes conv_sizes(const TensorView& x, const TensorView& columns, const ConvWindow& w) {
  const auto narrow = [](std::int64_t n) { return static_cast<int>(n); };
  ConvSizes z{.samples = x.shape[0],
              .channels = x.shape[1],
              .height = narrow(x.shape[2]),
              .width = narrow(x.shape[3]),
              .out_height = narrow(conv_size(w, 0, x.shape[2])),
              .out_width = narrow(conv_size(w, 1, x.shape[3])),
              .x_sample = x.strides[0],
              .x_channel = x.strides[1],
              .column_sample = columns.strides[0],
              .column_tap = columns.strides[1]};
  for (int d = 0; d < 2; ++d) {
    z.kernel[d] = narrow(w.kernel[d]), z.stride[d] = narrow(w.stride[d]);
    z.padding[d] = narrow(w.padding[d]), z.dilation[d] = narrow(w.dilation[d]);
  }
  return z;
}

// A thread has one output pixel of one channel, and writes its window, tap by tap.
template <class T>
struct Im2colKernel {
  static constexpr int kThreads = 256;
  struct Shared {};
  const T* x;
  T* columns;
  ConvSizes z;
  int first_row, pixels;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    const std::int64_t at = cta.block() * kThreads + cta.thread();
    if (at >= z.samples * z.channels * pixels) return;
    const std::int64_t plane = at / pixels, s = plane / z.channels, c = plane - s * z.channels;
    const int p = static_cast<int>(at - plane * pixels), row = p / z.out_width;
    const int top = (first_row + row) * z.stride[0] - z.padding[0];
    const int left = (p - row * z.out_width) * z.stride[1] - z.padding[1];
    const T* from = x + s * z.x_sample + c * z.x_channel;
    T* to = columns + s * z.column_sample + c * z.kernel[0] * z.kernel[1] * z.column_tap + p;
    for (int i = 0; i < z.kernel[0]; ++i) {
      const int h = top + i * z.dilation[0];
      for (int j = 0; j < z.kernel[1]; ++j) {
        const int v = left + j * z.dilation[1];
        const bool seen = h >= 0 && h < z.height && v >= 0 && v < z.width;
        *to = seen ? from[h * z.width + v] : T{};
        to += z.column_tap;
      }
    }
  }
};

// A thread has one element of dx.
template <class T>
struct Col2imKernel {
  static constexpr int kThreads = 256;
  struct Shared {};
  const T* columns;
  T* dx;
  ConvSizes z;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    const std::int64_t at = cta.block() * kThreads + cta.thread();
    const int area = z.height * z.width;
    if (at >= z.samples * z.channels * area) return;
    const std::int64_t plane = at / area, s = plane / z.channels, c = plane - s * z.channels;
    const int p = static_cast<int>(at - plane * area), h = p / z.width, v = p - h * z.width;
    const T* from = columns + s * z.column_sample + c * z.kernel[0] * z.kernel[1] * z.column_tap;
    float sum = 0.0f;
    for (int i = 0; i < z.kernel[0]; ++i) {
      const int down = h + z.padding[0] - i * z.dilation[0], oh = down / z.stride[0];
      const bool row = down >= 0 && oh * z.stride[0] == down && oh < z.out_height;
      for (int j = 0; row && j < z.kernel[1]; ++j) {
        const int right = v + z.padding[1] - j * z.dilation[1], ow = right / z.stride[1];
        if (right < 0 || ow * z.stride[1] != right || ow >= z.out_width) continue;
        sum += to_float(from[(i * z.kernel[1] + j) * z.column_tap + oh * z.out_width + ow]);
      }
    }
    dx[s * z.x_sample + c * z.x_channel + p] = from_float<T>(sum);
  }
};

// sums (planes) f32 of x (planes, P): a warp has one plane.
template <class T, int N>
struct PlaneSumKernel {
  static constexpr int kThreads = 256;
  static constexpr int kWarps = kThreads / kWarp;
  struct Shared {};
  const T* x;
  float* sums;
  std::int64_t planes, pixels;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    const std::int64_t plane = cta.block() * kWarps + cta.warp();
    if (plane >= planes) return;  // a whole warp
    float sum = 0.0f;
    GT_UNROLL_4
    for (std::int64_t i = cta.lane() * N; i < pixels; i += kWarp * N) {
      float v[N];
      load_wide<N>(x + plane * pixels + i, v);
      GT_UNROLL
      for (int k = 0; k < N; ++k) sum += v[k];
    }
    sum = warp_sum(cta, sum);
    if (cta.lane() == 0) sums[plane] = sum;
  }
};

template <class Queue>
void launch(Queue& queue, const Im2col& a) {
  with_activation_type(a.kName, a.x.dtype, [&](auto type) {
    using T = decltype(type);
    using Kernel = Im2colKernel<T>;
    const std::int64_t pixels = a.columns.shape[2];
    queue.launch(Kernel{.x = a.x.as<T>(),
                        .columns = a.columns.as<T>(),
                        .z = conv_sizes(a.x, a.columns, a.window),
                        .first_row = static_cast<int>(a.first_row),
                        .pixels = static_cast<int>(pixels)},
                 {.x = blocks_for(a.x.shape[0] * a.x.shape[1] * pixels, Kernel::kThreads)});
  });
}

template <class Queue>
void launch(Queue& queue, const Col2im& a) {
  with_activation_type(a.kName, a.dx.dtype, [&](auto type) {
    using T = decltype(type);
    using Kernel = Col2imKernel<T>;
    queue.launch(Kernel{.columns = a.columns.as<T>(),
                        .dx = a.dx.as<T>(),
                        .z = conv_sizes(a.dx, a.columns, a.window)},
                 {.x = blocks_for(a.dx.numel(), Kernel::kThreads)});
  });
}

template <class Queue>
void launch(Queue& queue, const ChannelSum& a) {
  const std::int64_t samples = a.x.shape[0], channels = a.x.shape[1], pixels = a.x.shape[2];
  const Storage scratch = queue.scratch(samples * channels * 4, "channel_sum.partials");
  auto* sums = static_cast<float*>(scratch.data());
  with_activation_type(a.kName, a.x.dtype, [&](auto type) {
    using T = decltype(type);
    with_width<T>(packs_fit<T>(pixels, {a.x.data}), [&](auto width) {
      using Kernel = PlaneSumKernel<T, decltype(width)::value>;
      const std::int64_t planes = samples * channels;
      queue.launch(Kernel{.x = a.x.as<T>(), .sums = sums, .planes = planes, .pixels = pixels},
                   {.x = blocks_for(planes, Kernel::kWarps)});
    });
  });
  add_partials(queue, sums, samples, channels, a.y.as<float>(), a.accumulate);
}

}  // namespace gigatrain::kernels::cuda
