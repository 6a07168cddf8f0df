// Gather, its gradient and the largest of each row, on the CPU: see kernels/index.h. A task has
// lines of its own, so that each gradient is summed by one thread, in ascending order.
#include "kernels/index.h"

#include "kernels/cpu/work.h"

GT_ISA_BEGIN
namespace {

template <class T>
GT_INLINE auto wide(T x) {
  if constexpr (sizeof(T) == 2)
    return static_cast<float>(x);
  else
    return x;
}

GT_INLINE bool in_range(std::int32_t i, std::int64_t n) {
  return i >= 0 && i < n;
}

template <class T>
void gather_elements(CpuQueue& queue, const Gather& a) {
  const std::int64_t n = a.x.shape[1], picks = a.y.shape[1], inner = a.y.shape[2];
  const T* x = a.x.as<T>();
  const std::int32_t* index = a.index.as<std::int32_t>();
  T* y = a.y.as<T>();
  for_blocks(queue, a.y.numel(), kChunk, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end;) {  // the rest of one row of picks
      const std::int64_t column = i % inner, row = smaller(end, i + inner - column);
      const T* line = x + i / (picks * inner) * n * inner + column;
      for (; i < row; ++i, ++line)
        y[i] = in_range(index[i], n) ? line[index[i] * inner] : T(__builtin_nanf(""));
    }
  });
}

// dx[index[k]] += dy[k] for columns [begin, end) of one slice: dy (K, inner), dx (N, inner).
template <class T, class Sum>
void add_columns(const std::int32_t* index, const T* dy, Sum* dx, std::int64_t picks,
                 std::int64_t n, std::int64_t inner, std::int64_t begin, std::int64_t end) {
  for (std::int64_t k = 0; k < picks; ++k)
    for (std::int64_t b = begin; b < end; ++b) {
      const std::int32_t to = index[k * inner + b];
      if (in_range(to, n)) dx[to * inner + b] += wide(dy[k * inner + b]);
    }
}

template <class T, class Sum>
void scatter(CpuQueue& queue, const ScatterAdd& a) {
  const std::int64_t outer = a.dx.shape[0], n = a.dx.shape[1], inner = a.dx.shape[2];
  const std::int64_t picks = a.dy.shape[1], groups = blocks_of(inner, kColumns);
  const std::int64_t slices = larger(1, kChunk / larger(1, n * inner));  // of a task
  queue.pool.parallel_for(blocks_of(outer, slices) * groups, [&](std::int64_t task, int) {
    const std::int64_t first = task / groups * slices, begin = task % groups * kColumns;
    const std::int64_t end = smaller(inner, begin + kColumns);
    for (std::int64_t s = first; s < smaller(outer, first + slices); ++s) {
      Sum* dx = a.dx.as<Sum>() + s * n * inner;
      for (std::int64_t i = 0; i < (a.accumulate ? 0 : n); ++i)
        for (std::int64_t b = begin; b < end; ++b) dx[i * inner + b] = Sum{};
      add_columns(a.index.as<std::int32_t>() + s * picks * inner, a.dy.as<T>() + s * picks * inner,
                  dx, picks, n, inner, begin, end);
    }
  });
}

// Is x before y, which stands in an earlier column?
template <class F>
GT_INLINE bool before(F x, F y) {
  return x > y || (x != x && y == y);
}

// Keeps the k largest so far in values and indices, in their order: most elements fail the first
// comparison. `indices` may be null.
template <class T>
void top_row(const T* x, std::int64_t columns, std::int64_t k, T* values, std::int32_t* indices) {
  for (std::int64_t c = 0; c < columns; ++c) {
    std::int64_t at = smaller(c, k);
    if (at == k && !before(wide(x[c]), wide(values[k - 1]))) continue;
    if (at == k) --at;
    for (; at > 0 && before(wide(x[c]), wide(values[at - 1])); --at) {
      values[at] = values[at - 1];
      if (indices) indices[at] = indices[at - 1];
    }
    values[at] = x[c];
    if (indices) indices[at] = static_cast<std::int32_t>(c);
  }
}

template <class T>
void top_k(CpuQueue& queue, const TopK& a) {
  const std::int64_t columns = a.x.cols(), k = a.values.cols();
  if (k == 0) return;
  const std::int64_t size = larger(1, kChunk / larger(1, columns));
  for_blocks(queue, a.x.rows(), size, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t r = begin; r < end; ++r)
      top_row(a.x.as<T>() + r * columns, columns, k, a.values.as<T>() + r * k,
              a.indices ? a.indices.as<std::int32_t>() + r * k : nullptr);
  });
}

}  // namespace

void run(CpuQueue& queue, const Gather& args) {
  with_floating_type(args.kName, args.x.dtype,
                     [&](auto type) { gather_elements<decltype(type)>(queue, args); });
}

void run(CpuQueue& queue, const ScatterAdd& args) {
  if (args.dy.dtype == DType::f64) return scatter<double, double>(queue, args);
  with_activation_type(args.kName, args.dy.dtype,
                       [&](auto type) { scatter<decltype(type), float>(queue, args); });
}

void run(CpuQueue& queue, const TopK& args) {
  with_floating_type(args.kName, args.x.dtype,
                     [&](auto type) { top_k<decltype(type)>(queue, args); });
}

GT_ISA_END

GT_CPU_KERNEL(Gather)
GT_CPU_KERNEL(ScatterAdd)
GT_CPU_KERNEL(TopK)
