// AdamW on the CPU: see kernels/adamw.h. Chunks of all tensors are the tasks; a table of where each
// tensor's chunks begin finds a task's tensor. Square root and division are IEEE's.
#include "kernels/adamw.h"

#include "kernels/cpu/work.h"

GT_ISA_BEGIN
namespace {

void update(const AdamW& a, const AdamWTensor& p, std::int64_t begin, std::int64_t n) {
  const AdamWScalars s = *a.scalars;
  const float rate = s.lr * p.lr_scale;
  const f32x16 beta1 = splat(a.beta1), beta2 = splat(a.beta2), decay = splat(p.weight_decay);
  float *weight = p.weight + begin, *m = p.exp_avg + begin, *v = p.exp_avg_sq + begin;
  const float* grad = p.grad + begin;
  for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
    const f32x16 g = lanes.get(grad + i) * s.clip, w = lanes.get(weight + i);
    const f32x16 m1 = fma(beta1, lanes.get(m + i), g * (1.0f - a.beta1));
    const f32x16 v1 = fma(beta2, lanes.get(v + i), g * (1.0f - a.beta2) * g);
    const f32x16 step = m1 * s.correction1 / (sqrt(v1 * s.correction2) + a.eps);
    lanes.put(m + i, m1);
    lanes.put(v + i, v1);
    lanes.put(weight + i, fma(fma(decay, w, step), splat(-rate), w));
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
  std::int64_t* first = table.as<std::int64_t>();
  std::int64_t tasks = 0;
  for (std::int64_t i = 0; i < args.count; ++i) {
    first[i] = tasks;
    tasks += blocks_of(args.tensors[i].numel, kChunk);
  }
  queue.pool.parallel_for(tasks, [&](std::int64_t task, int) {
    const std::int64_t i = find(first, args.count, task), begin = (task - first[i]) * kChunk;
    update(args, args.tensors[i], begin, smaller(kChunk, args.tensors[i].numel - begin));
  });
}

GT_ISA_END

GT_CPU_KERNEL(AdamW)
