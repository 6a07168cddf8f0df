// What the kernels that update weights share on the CPU: chunks of many tensors as tasks, the
// rules' arithmetic on sixteen lanes, and how a new weight is stored.
#pragma once

#include "kernels/cpu/work.h"
#include "kernels/update_rules.h"

GT_ISA_BEGIN

struct LaneMath {
  static GT_INLINE f32x16 splat(float x) { return GT_ISA::splat(x); }
  static GT_INLINE f32x16 fma(f32x16 a, f32x16 b, f32x16 c) { return GT_ISA::fma(a, b, c); }
  static GT_INLINE f32x16 root(f32x16 x) { return GT_ISA::sqrt(x); }
  static GT_INLINE f32x16 sign(f32x16 x) {
    const f32x16 one = splat(1.0f), zero{};
    return select(less(zero, x), one, select(less(x, zero), -one, zero));
  }
};

template <class Tensor, class Lanes>
GT_INLINE f32x16 get_weight(const Tensor& p, const Lanes& lanes, std::int64_t i) {
  return p.weight ? lanes.get(p.weight + i) : lanes.get(p.compute.template as<bf16>() + i);
}

template <class Tensor>
GT_INLINE void put_stochastic(const Tensor& p, std::uint32_t step, std::int64_t first,
                              std::int64_t n, f32x16 w) {
  float values[kLanes];
  store(values, w);
  for (std::int64_t k = 0; k < n;) {
    std::int64_t i = first + k;
    const PhiloxBlock words = philox_block(p.rounding, static_cast<std::uint64_t>(i), 0, step);
    do {
      p.compute.template as<bf16>()[i] =
          round_stochastic(values[k], words[static_cast<std::size_t>(i % 4)]);
      ++i, ++k;
    } while (k < n && i % 4 != 0);
  }
}

template <class Tensor, class Lanes>
GT_INLINE void put_weight(const Tensor& p, std::uint32_t step, const Lanes& lanes, std::int64_t i,
                          f32x16 w) {
  if (!p.weight) return put_stochastic(p, step, i, lanes.n, w);
  lanes.put(p.weight + i, w);
  if (!p.compute) return;
  if (p.compute.dtype == DType::f16)
    lanes.put(p.compute.template as<f16>() + i, w);
  else
    lanes.put(p.compute.template as<bf16>() + i, w);
}

// The tensor of a task: the last one whose first chunk is not after it.
GT_INLINE std::int64_t find_tensor(const std::int64_t* first, std::int64_t count,
                                   std::int64_t task) {
  std::int64_t low = 0, high = count;
  while (high - low > 1) {
    const std::int64_t middle = (low + high) / 2;
    (first[middle] <= task ? low : high) = middle;
  }
  return low;
}

// body(tensor, begin, n) for chunks of at most kChunk elements of all tensors; a table of where
// each tensor's chunks begin finds a task's tensor.
template <class Args, class Body>
GT_INLINE void for_chunks(CpuQueue& queue, const Args& args, const Body& body) {
  const Scratch table(queue, args.count * 8, "update.chunks");
  if (queue.pool.dry()) return;
  std::int64_t* first = table.as<std::int64_t>();
  std::int64_t tasks = 0;
  for (std::int64_t i = 0; i < args.count; ++i) {
    first[i] = tasks;
    tasks += blocks_of(args.tensors[i].numel, kChunk);
  }
  queue.pool.parallel_for(tasks, [&](std::int64_t task, int) {
    const std::int64_t i = find_tensor(first, args.count, task);
    const std::int64_t begin = (task - first[i]) * kChunk;
    body(args.tensors[i], begin, smaller(kChunk, args.tensors[i].numel - begin));
  });
}

GT_ISA_END
