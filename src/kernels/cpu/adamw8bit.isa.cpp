// AdamW with moments in 8 bits, on the CPU: see kernels/adamw8bit.h.
#include "kernels/adamw8bit.h"

#include "kernels/cpu/weights.h"
#include "kernels/nearest_code.h"

GT_ISA_BEGIN
namespace {

void decode(const std::uint8_t* from, std::int64_t n, const float* codes, float scale, float* to) {
  for (std::int64_t i = 0; i < n; ++i) to[i] = codes[from[i]] * scale;
}

float largest(const float* x, std::int64_t n) {
  f32x16 most{};
  for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
    const f32x16 v = lanes.get(x + i);
    most = max(most, max(v, -v));
  });
  return reduce_max(most);
}

// Elements [begin, begin + n) of a tensor, n at most kStateBlock.
void update_block(const AdamW8bit& a, const AdamW8bitTensor& p, const UpdateFactors& f,
                  std::int64_t begin, std::int64_t n) {
  const float *signs = a.codes, *unsigneds = a.codes + kCodes;
  const std::int64_t block = begin / kStateBlock;
  float m[kStateBlock], v[kStateBlock];
  decode(p.exp_avg + begin, n, signs, p.exp_avg_absmax[block], m);
  decode(p.exp_avg_sq + begin, n, unsigneds, p.exp_avg_sq_absmax[block], v);
  for_lanes(n, [&](auto lanes, std::int64_t k) GT_BODY {
    const std::int64_t i = begin + k;
    f32x16 mean = lanes.get(m + k), square = lanes.get(v + k);
    const f32x16 w =
        apply<LaneMath>(a.rule, f, get_weight(p, lanes, i), lanes.get(p.grad + i), mean, square);
    lanes.put(m + k, mean);
    lanes.put(v + k, square);
    put_weight(p, a.scalars->step, lanes, i, w);
  });
  const float most_m = largest(m, n), most_v = largest(v, n);
  p.exp_avg_absmax[block] = most_m;
  p.exp_avg_sq_absmax[block] = most_v;
  for (std::int64_t i = 0; i < n; ++i) {
    p.exp_avg[begin + i] = signed_code(signs, m[i], most_m);
    p.exp_avg_sq[begin + i] = unsigned_code(unsigneds, v[i], most_v);
  }
}

}  // namespace

void run(CpuQueue& queue, const AdamW8bit& args) {
  const float clip = queue.pool.dry() ? 1.0f : clip_of(args.clip);
  if (clip != clip) return;
  for_chunks(queue, args, [&](const AdamW8bitTensor& p, std::int64_t begin, std::int64_t n) {
    const UpdateFactors f = factors_of(*args.scalars, p, clip);
    for (std::int64_t i = 0; i < n; i += kStateBlock)
      update_block(args, p, f, begin + i, smaller(kStateBlock, n - i));
  });
}

GT_ISA_END

GT_CPU_KERNEL(AdamW8bit)
