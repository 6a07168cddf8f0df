// Many arrays added over the tree in one pass, on the CPU: see kernels/reduce.h.
#include "kernels/cpu/ahead.h"
#include "kernels/cpu/work.h"
#include "kernels/reduce.h"

GT_ISA_BEGIN
namespace {

template <int N, class Lanes>
GT_INLINE f32x16 add_tree(const float* const* x, const Lanes& lanes, std::int64_t i) {
  if constexpr (N == 1) {
    prefetch_far(*x + i);
    return lanes.get(*x + i);
  } else {
    return add_tree<N / 2>(x, lanes, i) + add_tree<N / 2>(x + N / 2, lanes, i);
  }
}

template <int N>
void add_arrays(CpuQueue& queue, const TreeSum& a) {
  for_blocks(queue, a.numel, kChunk, [&](std::int64_t begin, std::int64_t end, int) {
    for_lanes(end - begin, [&](auto lanes, std::int64_t i) GT_BODY {
      f32x16 sum = add_tree<N>(a.x, lanes, begin + i);
      for (int k = 0; k < a.then_count; ++k) {
        prefetch_far(a.then[k] + begin + i);
        sum += lanes.get(a.then[k] + begin + i);
      }
      lanes.put(a.y + begin + i, sum);
    });
  });
}

}  // namespace

void run(CpuQueue& queue, const TreeSum& args) {
  switch (args.count) {
    case 1:
      return add_arrays<1>(queue, args);
    case 2:
      return add_arrays<2>(queue, args);
    case 4:
      return add_arrays<4>(queue, args);
    case 8:
      return add_arrays<8>(queue, args);
    default:
      return add_arrays<TreeSum::kMost>(queue, args);
  }
}

GT_ISA_END

GT_CPU_KERNEL(TreeSum)
