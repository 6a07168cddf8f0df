// Dropout on the CPU: see kernels/dropout.h. A sample's elements are consecutive in memory, so a
// task is a piece of one sample and starts on a whole random block, whatever the row length.
#include "kernels/dropout.h"

#include "kernels/cpu/ahead.h"
#include "kernels/cpu/dropout_mask.h"
#include "kernels/cpu/work.h"

GT_ISA_BEGIN
namespace {

// n <= 64 elements of one array each; `residual` may be null.
template <class T>
GT_INLINE void drop(const Kept& kept, const Words64& random, const T* x, const T* residual, T* y,
                    std::int64_t n) {
  for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
    prefetch_far(x + i);
    if (residual) prefetch_far(residual + i);
    f32x16 v = kept(lanes.get(x + i), random.words[i / kLanes]);
    if (residual) v = lanes.get(residual + i) + v;
    lanes.put(y + i, v);
  });
}

// Elements [begin, end) of a sample whose first element is at `base`.
template <class T>
void drop_piece(const Dropout& a, std::uint32_t sample, std::int64_t base, std::int64_t begin,
                std::int64_t end) {
  const DropoutArgs d = a.dropout;
  const Kept kept(d);
  const T *x = a.x.as<T>() + base, *residual = a.residual ? a.residual.as<T>() + base : nullptr;
  T* y = a.y.as<T>() + base;
  for (std::int64_t e = begin; e < end; e += 64) {
    const Words64 random = philox64(d.key, static_cast<std::uint64_t>(e / 4), sample, d.step);
    const T* r = residual ? residual + e : nullptr;
    if (e + 64 <= end) {
      drop(kept, random, x + e, r, y + e, 64);
    } else {
      drop(kept, random, x + e, r, y + e, end - e);
    }
  }
}

template <class T>
void dropout(CpuQueue& queue, const Dropout& a) {
  const std::int64_t total = a.x.numel();
  const std::int64_t sample_size = a.dropout.rows_per_sample * a.x.cols();
  if (total == 0) return;
  const std::int64_t samples = blocks_of(total, sample_size);
  const std::int64_t pieces = blocks_of(smaller(sample_size, total), kChunk);
  queue.pool.parallel_for(samples * pieces, [&](std::int64_t task, int) {
    const std::int64_t sample = task / pieces, begin = task % pieces * kChunk;
    const std::int64_t size = smaller(sample_size, total - sample * sample_size);
    drop_piece<T>(a, a.dropout.first_sample + static_cast<std::uint32_t>(sample),
                  sample * sample_size, begin, smaller(size, begin + kChunk));
  });
}

}  // namespace

void run(CpuQueue& queue, const Dropout& args) {
  with_activation_type(args.kName, args.x.dtype,
                       [&](auto type) { dropout<decltype(type)>(queue, args); });
}

GT_ISA_END

GT_CPU_KERNEL(Dropout)
