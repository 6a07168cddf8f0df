// Sum, on the CPU: see kernels/reduce.h. The elements that one output sums are numbered in
// row-major order; a chunk is kScalarChunk of them, element j of it goes to f64 lane j mod 8, lanes
// are added by halves and chunks by the tree. So the order does not depend on strides, threads or
// class.
#include "kernels/reduce.h"

#include "kernels/cpu/ahead.h"
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

// Four chunks at once: the additions to one chunk's lanes wait for each other.
template <class T>
void sum_four(const T* x, double* sums) {
  static_assert(kChunk == 4 * kScalarChunk);
  f64x8 lanes[4] = {};
  for (std::int64_t i = 0; i < kScalarChunk; i += 2 * kSumLanes)
    for (std::int64_t c = 0; c < 4; ++c) {
      const T* p = x + c * kScalarChunk + i;
      f64x8 low, high;
      prefetch_far(p);
      widen(load(p), low, high);
      lanes[c] += low;
      lanes[c] += high;
    }
  for (std::int64_t c = 0; c < 4; ++c) sums[c] = add_lanes(lanes[c]);
}

// Elements side by side to one output: what sum_tasks gives, sooner. Returns whether it did.
template <class T>
bool sum_line(CpuQueue& queue, const Sum& a, const SumPlan& p, double* partials) {
  if constexpr (sizeof(T) == sizeof(double)) return false;
  if (p.kept.total != 1 || p.summed.dims != 1 || p.summed.stride[0][0] != 1) return false;
  const T* x = a.x.as<const T>();
  for_blocks(queue, p.summed.total, kChunk, [&](std::int64_t begin, std::int64_t end, int) {
    double* sums = partials + begin / kScalarChunk;
    if constexpr (sizeof(T) < sizeof(double))
      if (end - begin == kChunk) return sum_four(x + begin, sums);
    for (std::int64_t i = begin; i < end; i += kScalarChunk) {
      f64x8 lanes{};
      add_run(x + i, smaller(kScalarChunk, end - i), 0, lanes);
      *sums++ = add_lanes(lanes);
    }
  });
  return true;
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
  if (!sum_line<T>(queue, a, p, partials.as<double>()))
    sum_tasks<T>(queue, a, p, partials.as<double>(), chunks);
  write_sums<T>(queue, a, p, partials.as<double>(), chunks);
}

}  // namespace

void run(CpuQueue& queue, const Sum& args) {
  with_floating_type(args.kName, args.x.dtype,
                     [&](auto type) { sum<decltype(type)>(queue, args); });
}

GT_ISA_END

GT_CPU_KERNEL(Sum)
