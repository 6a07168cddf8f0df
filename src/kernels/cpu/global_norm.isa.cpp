// The gradient norm, on the CPU: see kernels/reduce.h. Element j of a chunk goes to f64 lane j mod
// 16, lanes are added by halves.
#include "kernels/cpu/ahead.h"
#include "kernels/cpu/chunks.h"
#include "kernels/cpu/wide.h"
#include "kernels/reduce.h"

GT_ISA_BEGIN
namespace {

GT_INLINE double square_sum(const float* x, std::int64_t n) {
  f64x8 low{}, high{};
  for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
    f64x8 c, d;
    prefetch_far(x + i);
    widen(lanes.get(x + i), c, d);
    low = add_square(c, low);
    high = add_square(d, high);
  });
  return add_lanes(low + high);
}

// Of four chunks at once: four streams of reads fill the memory's queue better than one.
GT_INLINE void square_four(const float* x, double* sums) {
  f64x8 low[4] = {}, high[4] = {};
  for (std::int64_t i = 0; i < kScalarChunk; i += kLanes)
    for (std::int64_t c = 0; c < 4; ++c) {
      f64x8 a, b;
      prefetch_far(x + c * kScalarChunk + i);
      widen(load(x + c * kScalarChunk + i), a, b);
      low[c] = add_square(a, low[c]);
      high[c] = add_square(b, high[c]);
    }
  for (std::int64_t c = 0; c < 4; ++c) sums[c] = add_lanes(low[c] + high[c]);
}

// at[i]: the first of tensor i's sums.
void number_sums(const SquareSums& a, std::int64_t* at) {
  std::int64_t sums = 0;
  for (std::int64_t i = 0; i < a.count; ++i) {
    at[i] = sums;
    sums += scalar_chunks(a.tensors[i].numel);
  }
}

void square_sums(CpuQueue& queue, const SquareSums& a, std::int64_t* first, std::int64_t* at) {
  number_sums(a, at);
  for_chunks(queue, a, first, number_chunks(a, first),
             [&](const NormTensor& t, std::int64_t begin, std::int64_t n, std::int64_t) {
               double* out = a.chunks + at[&t - a.tensors] + begin / kScalarChunk;
               if (n == kChunk) return square_four(t.data + begin, out);
               for (std::int64_t i = 0; i < n; i += kScalarChunk)
                 *out++ = square_sum(t.data + begin + i, smaller(kScalarChunk, n - i));
             });
}

// sums[i] = the tree over tensor i's chunks; `chunks` is large enough for one tensor's.
void tensor_trees(const NormOfChunks& a, double* chunks, double* sums) {
  std::int64_t done = 0;
  for (std::int64_t i = 0; i < a.count; done += a.chunks_of[i++]) {
    for (std::int64_t c = 0; c < a.chunks_of[i]; ++c)
      chunks[c] = a.chunks[a.order ? a.order[done + c] : done + c];
    sums[i] = tree_sum(chunks, a.chunks_of[i]);
  }
}

}  // namespace

void run(CpuQueue& queue, const SquareSums& args) {
  const Scratch table(queue, 2 * args.count * 8, "square_sums.table");
  if (queue.pool.dry()) return;
  square_sums(queue, args, table.as<std::int64_t>(), table.as<std::int64_t>() + args.count);
}

void run(CpuQueue& queue, const NormOfChunks& args) {
  std::int64_t most = 0;
  for (std::int64_t i = 0; i < args.count; ++i) most = larger(most, args.chunks_of[i]);
  const Scratch chunks(queue, most * 8, "norm_of_chunks.chunks");
  const Scratch sums(queue, args.count * 8, "norm_of_chunks.tensors");
  if (queue.pool.dry()) return;
  tensor_trees(args, chunks.as<double>(), sums.as<double>());
  const double norm = __builtin_sqrt(tree_sum(sums.as<double>(), args.count)) / args.loss_scale;
  double poison = 0.0;  // stays 0 when every guard is finite
  for (std::int64_t i = 0; i < args.guard_count; ++i) poison += args.guard[i] - args.guard[i];
  args.result[0] = norm;
  args.result[1] = clip_factor(norm + poison, args.max_norm) / args.loss_scale;
}

GT_ISA_END

GT_CPU_KERNEL(SquareSums)
GT_CPU_KERNEL(NormOfChunks)
