// AdamW on the CPU: see kernels/adamw.h. Chunks of all tensors are the tasks; a table of where each
// tensor's chunks begin finds a task's tensor. Square root and division are IEEE's.
#include "kernels/adamw.h"

#include "kernels/cpu/work.h"

GT_ISA_BEGIN
namespace {

// `first` is a multiple of 16, so whole random blocks are taken.
GT_INLINE void put_stochastic(const AdamWTensor& p, std::uint32_t step, std::int64_t first,
                              std::int64_t n, f32x16 w) {
  float values[kLanes];
  store(values, w);
  for (std::int64_t i = 0; i < n; i += 4) {
    const PhiloxBlock words =
        philox_block(p.rounding, static_cast<std::uint64_t>(first + i), 0, step);
    for (std::int64_t k = i; k < smaller(i + 4, n); ++k)
      p.compute[first + k] = round_stochastic(values[k], words[static_cast<std::size_t>(k - i)]);
  }
}

void update(const AdamW& a, const AdamWTensor& p, float clip, std::int64_t begin, std::int64_t n) {
  const AdamWScalars s = *a.scalars;
  const float rate = s.lr * p.lr_scale;
  const f32x16 beta1 = splat(a.beta1), beta2 = splat(a.beta2), decay = splat(p.weight_decay);
  float *m = p.exp_avg + begin, *v = p.exp_avg_sq + begin;
  const float* grad = p.grad + begin;
  for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
    const f32x16 g = lanes.get(grad + i) * clip;
    const f32x16 w = p.weight ? lanes.get(p.weight + begin + i) : lanes.get(p.compute + begin + i);
    const f32x16 m1 = fma(beta1, lanes.get(m + i), g * (1.0f - a.beta1));
    const f32x16 v1 = fma(beta2, lanes.get(v + i), g * (1.0f - a.beta2) * g);
    const f32x16 step = m1 * s.correction1 / (sqrt(v1 * s.correction2) + a.eps);
    lanes.put(m + i, m1);
    lanes.put(v + i, v1);
    const f32x16 w1 = fma(fma(decay, w, step), splat(-rate), w);
    if (!p.weight) return put_stochastic(p, s.step, begin + i, lanes.n, w1);
    lanes.put(p.weight + begin + i, w1);
    if (p.compute) lanes.put(p.compute + begin + i, w1);
  });
}

// The tensor of a task: the last one whose first chunk is not after it.
GT_INLINE std::int64_t find(const std::int64_t* first, std::int64_t count, std::int64_t task) {
  std::int64_t low = 0, high = count;
  while (high - low > 1) {
    const std::int64_t middle = (low + high) / 2;
    (first[middle] <= task ? low : high) = middle;
  }
  return low;
}

}  // namespace

void run(CpuQueue& queue, const AdamW& args) {
  const Scratch table(queue, args.count * 8, "adamw.chunks");
  if (queue.pool.dry()) return;
  std::int64_t* first = table.as<std::int64_t>();
  std::int64_t tasks = 0;
  for (std::int64_t i = 0; i < args.count; ++i) {
    first[i] = tasks;
    tasks += blocks_of(args.tensors[i].numel, kChunk);
  }
  const float clip = args.clip ? static_cast<float>(args.clip[1]) : 1.0f;
  if (clip != clip) return;
  queue.pool.parallel_for(tasks, [&](std::int64_t task, int) {
    const std::int64_t i = find(first, args.count, task), begin = (task - first[i]) * kChunk;
    update(args, args.tensors[i], clip, begin, smaller(kChunk, args.tensors[i].numel - begin));
  });
}

GT_ISA_END

GT_CPU_KERNEL(AdamW)
