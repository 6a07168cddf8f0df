// Sum, on the CPU: see kernels/reduce.h. The elements that one output sums are numbered in
// row-major order; a chunk is kScalarChunk of them, element j of it goes to f64 lane j mod 8, lanes
// are added by halves and chunks by the tree. So the order does not depend on strides, threads or
// class.
#include "kernels/reduce.h"

#include "kernels/cpu/walk.h"
#include "kernels/cpu/wide.h"

GT_ISA_BEGIN
namespace {

constexpr std::int64_t kOutputs = 32;  // outputs of one task: neighbours, so cache lines are shared

GT_INLINE double to_f64(double x) {
  return x;
}
GT_INLINE double to_f64(float x) {
  return static_cast<double>(x);
}
GT_INLINE double to_f64(bf16 x) {
  return static_cast<double>(static_cast<float>(x));
}
GT_INLINE double to_f64(f16 x) {
  return static_cast<double>(widen(x));
}

// The two halves of a Sum's index space: dims that y keeps (offsets in x and y), dims it sums.
struct SumPlan {
  Walk<2> kept;
  Walk<1> summed;
};

SumPlan plan(const Sum& a) {
  TensorView x = a.x, y = a.y, rest = a.x;
  for (int d = 0; d < a.x.shape.dims(); ++d) {
    const bool summed = a.y.shape[d] == 1 && a.x.shape[d] != 1;
    (summed ? x : rest).shape[d] = 1;
  }
  return {make_walk<2>({&x, &y}), make_walk<1>({&rest})};
}

// One stream of reads alone does not fill the memory's queue.
template <class T>
GT_INLINE void prefetch_far(const T* x) {
  __builtin_prefetch(reinterpret_cast<const char*>(x) + 4096);
}

// n consecutive elements, the first of which goes to lane `phase`.
template <class T>
GT_INLINE void add_run(const T* x, std::int64_t n, std::int64_t phase, f64x8& lanes) {
  std::int64_t i = 0;
  for (; i < n && (phase + i) % kSumLanes != 0; ++i) lanes[(phase + i) % kSumLanes] += to_f64(x[i]);
  if constexpr (sizeof(T) < sizeof(double))
    for (; i + 2 * kSumLanes <= n; i += 2 * kSumLanes) {
      f64x8 low, high;
      prefetch_far(x + i);
      widen(load(x + i), low, high);
      lanes += low;
      lanes += high;
    }
  for (; i + kSumLanes <= n; i += kSumLanes) {
    f64x8 v;
    for (int l = 0; l < kSumLanes; ++l) v[l] = to_f64(x[i + l]);
    lanes += v;
  }
  for (int l = 0; i < n; ++i, ++l) lanes[l] += to_f64(x[i]);
}

using SumLanes = double[kSumLanes][kOutputs];

// Elements [begin, end) of the outputs whose data start at x + at[o], o < outputs <= kOutputs: one
// output after the other where the summed elements are side by side, else all of them together.
template <class T>
void sum_chunk(const Walk<1>& summed, std::int64_t begin, std::int64_t end, const T* x,
               const std::int64_t* at, std::int64_t outputs, SumLanes& lanes) {
  const std::int64_t stride = summed.stride[summed.dims - 1][0];
  bool neighbours = true;
  for (std::int64_t o = 1; o < outputs; ++o) neighbours = neighbours && at[o] == at[0] + o;
  std::int64_t j = 0;
  for_runs(summed, begin, end, [&](std::int64_t n, const std::int64_t(&offset)[1]) {
    const T* p = x + offset[0];
    if (stride == 1) {
      for (std::int64_t o = 0; o < outputs; ++o) {
        f64x8 sums;
        for (int l = 0; l < kSumLanes; ++l) sums[l] = lanes[l][o];
        add_run(p + at[o], n, j, sums);
        for (int l = 0; l < kSumLanes; ++l) lanes[l][o] = sums[l];
      }
    } else {
      for (std::int64_t i = 0; i < n; ++i, p += stride) {
        double* sums = lanes[(j + i) % kSumLanes];
        if (neighbours)
          for (std::int64_t o = 0; o < outputs; ++o) sums[o] += to_f64(p[at[0] + o]);
        else
          for (std::int64_t o = 0; o < outputs; ++o) sums[o] += to_f64(p[at[o]]);
      }
    }
    j += n;
  });
}

template <class T>
void sum_tasks(CpuQueue& queue, const Sum& a, const SumPlan& p, double* partials,
               std::int64_t chunks) {
  const std::int64_t blocks = blocks_of(p.kept.total, kOutputs);
  queue.pool.parallel_for(blocks * chunks, [&](std::int64_t task, int) {
    const std::int64_t chunk = task % chunks, first = task / chunks * kOutputs;
    const std::int64_t outputs = smaller(kOutputs, p.kept.total - first);
    std::int64_t at[kOutputs], found = 0;
    for_runs(p.kept, first, first + outputs, [&](std::int64_t n, const std::int64_t(&offset)[2]) {
      for (std::int64_t i = 0; i < n; ++i)
        at[found++] = offset[0] + i * p.kept.stride[p.kept.dims - 1][0];
    });
    SumLanes lanes = {};
    const std::int64_t begin = chunk * kScalarChunk;
    sum_chunk(p.summed, begin, smaller(p.summed.total, begin + kScalarChunk), a.x.as<const T>(), at,
              outputs, lanes);
    for (std::int64_t o = 0; o < outputs; ++o)
      partials[(first + o) * chunks + chunk] = add_lanes(&lanes[0][o], kOutputs);
  });
}

template <class T>
void write_sums(CpuQueue& queue, const Sum& a, const SumPlan& p, double* partials,
                std::int64_t chunks) {
  for_blocks(queue, p.kept.total, kColumns, [&](std::int64_t begin, std::int64_t end, int) {
    std::int64_t out = begin;
    for_runs(p.kept, begin, end, [&](std::int64_t n, const std::int64_t(&offset)[2]) {
      for (std::int64_t i = 0; i < n; ++i, ++out) {
        const double sum = tree_sum(partials + out * chunks, chunks) * a.scale;
        T* y = a.y.as<T>() + offset[1] + i * p.kept.stride[p.kept.dims - 1][1];
        if constexpr (sizeof(T) == sizeof(double))
          *y = sum;
        else
          *y = T(static_cast<float>(sum));
      }
    });
  });
}

template <class T>
void sum(CpuQueue& queue, const Sum& a) {
  const SumPlan p = plan(a);
  const std::int64_t chunks = larger(1, blocks_of(p.summed.total, kScalarChunk));
  const Scratch partials(queue, p.kept.total * chunks * 8, "sum.partials");
  sum_tasks<T>(queue, a, p, partials.as<double>(), chunks);
  write_sums<T>(queue, a, p, partials.as<double>(), chunks);
}

GT_INLINE double square_sum(const float* x, std::int64_t n) {
  f64x8 low{}, high{};
  for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
    f64x8 c, d;
    prefetch_far(x + i);
    widen(lanes.get(x + i), c, d);
    low += c * c;  // exact products: 24 + 24 bits
    high += d * d;
  });
  return add_lanes(low + high);
}

}  // namespace

void run(CpuQueue& queue, const Sum& args) {
  with_floating_type(args.kName, args.x.dtype,
                     [&](auto type) { sum<decltype(type)>(queue, args); });
}

void run(CpuQueue& queue, const GlobalNorm& args) {
  std::int64_t longest = 0;
  for (std::int64_t i = 0; i < args.count; ++i) longest = larger(longest, args.tensors[i].numel);
  const Scratch partials(queue, blocks_of(longest, kScalarChunk) * 8, "norm.partials");
  const Scratch sums(queue, args.count * 8, "norm.tensors");
  if (queue.pool.dry()) return;
  for (std::int64_t i = 0; i < args.count; ++i) {
    const float* x = args.tensors[i].data;
    const std::int64_t n = args.tensors[i].numel;
    for_blocks(queue, n, kScalarChunk, [&](std::int64_t begin, std::int64_t end, int) {
      partials.as<double>()[begin / kScalarChunk] = square_sum(x + begin, end - begin);
    });
    sums.as<double>()[i] = tree_sum(partials.as<double>(), blocks_of(n, kScalarChunk));
  }
  const double norm = __builtin_sqrt(tree_sum(sums.as<double>(), args.count)) / args.loss_scale;
  double poison = 0.0;  // stays 0 when every guard is finite
  for (std::int64_t i = 0; i < args.guard_count; ++i) poison += args.guard[i] - args.guard[i];
  args.result[0] = norm;
  args.result[1] = clip_factor(norm + poison, args.max_norm) / args.loss_scale;
}

GT_ISA_END

GT_CPU_KERNEL(Sum)
GT_CPU_KERNEL(GlobalNorm)
