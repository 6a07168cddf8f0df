// Group normalisation on the CPU: see kernels/group_norm.h. A task has one group of one sample.
// Mean first, then the mean of squared deviations: no cancellation.
//
//   backward, with xhat = (x - mean) rstd and g = dy weight[c]:
//   dx = rstd (g - mean(g) - xhat mean(g xhat)),   dweight = sum dy xhat,   dbias = sum dy
#include "kernels/group_norm.h"

#include "kernels/cpu/planes.h"

GT_ISA_BEGIN
namespace {

// Group `row` = n G + g: its channels, and where they lie.
struct Group {
  std::int64_t channels, pixels, first;  // the first one's number in the sample
  std::int64_t at;                       // first element
  float count;

  Group(const TensorView& x, const TensorView& mean, std::int64_t row)
      : channels(x.shape[1] / mean.shape[1]),
        pixels(x.shape[2]),
        first(row % mean.shape[1] * channels),
        at(row * channels * pixels),
        count(static_cast<float>(channels * pixels)) {}
};

template <class T>
void forward_group(const GroupNormForward& a, std::int64_t row) {
  const Group g(a.x, a.mean, row);
  const T* x = a.x.as<const T>() + g.at;
  float total = 0.0f, squares = 0.0f;
  for (std::int64_t c = 0; c < g.channels; ++c)
    total += plane_sum(g.pixels, [&](auto lanes, std::int64_t i)
                                     GT_BODY { return lanes.get(x + c * g.pixels + i); });
  const float mean = total / g.count;
  for (std::int64_t c = 0; c < g.channels; ++c)
    squares += plane_sum(g.pixels, [&](auto lanes, std::int64_t i) GT_BODY {
      const f32x16 d = lanes.keep(lanes.get(x + c * g.pixels + i) - mean);
      return d * d;
    });
  const float rstd = 1.0f / __builtin_sqrtf(squares / g.count + a.eps);
  T* y = a.y.as<T>() + g.at;
  for (std::int64_t c = 0; c < g.channels; ++c) {
    const float weight = a.weight.as<float>()[g.first + c];
    const f32x16 bias = splat(a.bias ? a.bias.as<float>()[g.first + c] : 0.0f);
    for_lanes(g.pixels, [&](auto lanes, std::int64_t i) GT_BODY {
      const f32x16 xhat = (lanes.get(x + c * g.pixels + i) - mean) * rstd;
      lanes.put(y + c * g.pixels + i, fma(xhat, splat(weight), bias));
    });
  }
  a.mean.as<float>()[row] = mean;
  a.rstd.as<float>()[row] = rstd;
}

// dbias, dweight: this sample's part, for all its channels.
template <class T>
void backward_group(const GroupNormBackward& a, std::int64_t row, float* dbias, float* dweight) {
  const Group g(a.x, a.mean, row);
  const float mean = a.mean.as<float>()[row], rstd = a.rstd.as<float>()[row];
  const float* weight = a.weight.as<float>() + g.first;
  float sum_g = 0.0f, sum_gx = 0.0f;
  for (std::int64_t c = 0; c < g.channels; ++c) {
    const T *x = a.x.as<const T>() + g.at + c * g.pixels,
            *dy = a.dy.as<const T>() + g.at + c * g.pixels;
    const float d =
        plane_sum(g.pixels, [&](auto lanes, std::int64_t i) GT_BODY { return lanes.get(dy + i); });
    const float dx = plane_sum(g.pixels, [&](auto lanes, std::int64_t i) GT_BODY {
      return lanes.get(dy + i) * ((lanes.get(x + i) - mean) * rstd);  // dy is 0 in missing lanes
    });
    dbias[g.first + c] = d, dweight[g.first + c] = dx;
    sum_g = fma(weight[c], d, sum_g), sum_gx = fma(weight[c], dx, sum_gx);
  }
  const float mean_g = sum_g / g.count, mean_gx = sum_gx / g.count;
  for (std::int64_t c = 0; c < g.channels; ++c) {
    const std::int64_t at = g.at + c * g.pixels;
    const T *x = a.x.as<const T>() + at, *dy = a.dy.as<const T>() + at;
    T* out = a.dx.as<T>() + at;
    for_lanes(g.pixels, [&](auto lanes, std::int64_t i) GT_BODY {
      const f32x16 xhat = (lanes.get(x + i) - mean) * rstd;
      lanes.put(out + i, fma(xhat, splat(-mean_gx), lanes.get(dy + i) * weight[c] - mean_g) * rstd);
    });
  }
}

template <class T>
void backward(CpuQueue& queue, const GroupNormBackward& a) {
  const std::int64_t samples = a.x.shape[0], channels = a.x.shape[1], groups = a.mean.shape[1];
  const Scratch partials(queue, 2 * samples * channels * 4, "group_norm.partials");
  float *dbias = partials.as<float>(), *dweight = dbias + samples * channels;
  queue.pool.parallel_for(samples * groups, [&](std::int64_t row, int) {
    const std::int64_t sample = row / groups * channels;
    backward_group<T>(a, row, dbias + sample, dweight + sample);
  });
  if (a.dbias) add_partials(queue, dbias, samples, channels, channels, a.dbias.as<float>(), false);
  if (a.dweight)
    add_partials(queue, dweight, samples, channels, channels, a.dweight.as<float>(), false);
}

}  // namespace

void run(CpuQueue& queue, const GroupNormForward& args) {
  with_activation_type(args.kName, args.x.dtype, [&](auto type) {
    queue.pool.parallel_for(args.mean.numel(), [&](std::int64_t row, int) {
      forward_group<decltype(type)>(args, row);
    });
  });
}

void run(CpuQueue& queue, const GroupNormBackward& args) {
  with_activation_type(args.kName, args.x.dtype,
                       [&](auto type) { backward<decltype(type)>(queue, args); });
}

GT_ISA_END

GT_CPU_KERNEL(GroupNormForward)
GT_CPU_KERNEL(GroupNormBackward)
