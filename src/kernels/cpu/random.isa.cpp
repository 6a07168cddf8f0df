// Initial values on the CPU: see kernels/random.h. Box and Muller, "A note on the generation of
// random normal deviates" (1958): sqrt(-2 ln u) (cos 2 pi v, sin 2 pi v).
#include "kernels/random.h"

#include "kernels/cpu/philox16.h"
#include "kernels/cpu/vec_math.h"
#include "kernels/cpu/work.h"

GT_ISA_BEGIN
namespace {

GT_INLINE void box_muller(u32x16& first, u32x16& second, float mean, float stddev) {
  const f32x16 radius = sqrt(log(to_uniform(first)) * -2.0f) * stddev;
  f32x16 sine, cosine;
  sincos_turns(to_uniform(second), sine, cosine);
  first = (u32x16)fma(radius, cosine, splat(mean));
  second = (u32x16)fma(radius, sine, splat(mean));
}

// value(first block of 16) gives 64 values; they are written to y in the order of elements.
template <class Values>
GT_INLINE void fill(CpuQueue& queue, const TensorView& y, const Values& values) {
  for_blocks(queue, y.numel(), kChunk, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t e = begin; e < end; e += 64) {
      const Words64 v = values(static_cast<std::uint64_t>(e / 4));
      float* out = y.as<float>() + e;
      for_lanes(smaller(64, end - e), [&](auto lanes, std::int64_t i) GT_BODY {
        lanes.put(out + i, (f32x16)v.words[i / kLanes]);
      });
    }
  });
}

}  // namespace

void run(CpuQueue& queue, const FillNormal& args) {
  if (args.y.dtype != DType::f32) unsupported_dtype(args.kName, args.y.dtype);
  fill(queue, args.y, [&](std::uint64_t block) GT_BODY {
    Words64 w = philox_blocks(args.key, block, 0, 0);
    box_muller(w.words[0], w.words[1], args.mean, args.stddev);
    box_muller(w.words[2], w.words[3], args.mean, args.stddev);
    return in_element_order(w);
  });
}

void run(CpuQueue& queue, const FillUniform& args) {
  if (args.y.dtype != DType::f32) unsupported_dtype(args.kName, args.y.dtype);
  fill(queue, args.y, [&](std::uint64_t block) GT_BODY {
    Words64 w = philox64(args.key, block, 0, 0);
    for (u32x16& word : w.words) {
      const f32x16 v = fma(to_uniform(word), splat(args.high - args.low), splat(args.low));
      word = (u32x16)select(less(v, splat(args.high)), v,
                            splat(args.low));  // never rounds up to `high`
    }
    return w;
  });
}

GT_ISA_END

GT_CPU_KERNEL(FillNormal)
GT_CPU_KERNEL(FillUniform)
