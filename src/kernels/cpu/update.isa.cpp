// SGD, Lion and AdamW on the CPU: see kernels/update.h.
#include "kernels/update.h"

#include "kernels/cpu/weights.h"

GT_ISA_BEGIN
namespace {

template <class Rule>
void update(const Update<Rule>& a, const UpdateTensor& p, float clip, std::int64_t begin,
            std::int64_t n) {
  const std::uint32_t step = a.scalars->step;
  const UpdateFactors f = factors_of(*a.scalars, p, clip);
  for_lanes(n, [&](auto lanes, std::int64_t k) GT_BODY {
    const std::int64_t i = begin + k;
    f32x16 m = p.exp_avg ? lanes.get(p.exp_avg + i) : f32x16{};
    f32x16 v = p.exp_avg_sq ? lanes.get(p.exp_avg_sq + i) : f32x16{};
    const f32x16 w =
        apply<LaneMath>(a.rule, f, get_weight(p, lanes, i), lanes.get(p.grad + i), m, v);
    if (p.exp_avg) lanes.put(p.exp_avg + i, m);
    if (p.exp_avg_sq) lanes.put(p.exp_avg_sq + i, v);
    put_weight(p, step, lanes, i, w);
  });
}

template <class Rule>
void update_all(CpuQueue& queue, const Update<Rule>& args) {
  const float clip = queue.pool.dry() ? 1.0f : clip_of(args.clip);
  if (clip != clip) return;
  for_chunks(queue, args, [&](const UpdateTensor& p, std::int64_t begin, std::int64_t n) {
    update(args, p, clip, begin, n);
  });
}

}  // namespace

void run(CpuQueue& queue, const AdamW& args) {
  update_all(queue, args);
}
void run(CpuQueue& queue, const Sgd& args) {
  update_all(queue, args);
}
void run(CpuQueue& queue, const Lion& args) {
  update_all(queue, args);
}

GT_ISA_END

GT_CPU_KERNEL(AdamW)
GT_CPU_KERNEL(Sgd)
GT_CPU_KERNEL(Lion)
