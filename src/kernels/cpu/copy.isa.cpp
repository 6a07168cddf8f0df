// Copy with conversion, and fill, on the CPU: see kernels/elementwise.h. f64 becomes bf16 by way of
// f32 (two roundings), as everywhere.
#include <type_traits>

#include "kernels/cpu/ahead.h"
#include "kernels/cpu/walk.h"
#include "kernels/elementwise.h"
#include "kernels/streamed.h"

GT_ISA_BEGIN
namespace {

// n elements side by side; of one type their bytes, whatever they are.
template <class From, class To>
GT_INLINE void copy_run(const From* x, To* y, std::int64_t n, bool streamed) {
  if constexpr (std::is_same_v<From, To>) {
    const std::int64_t size = sizeof(float), bytes = n * static_cast<std::int64_t>(sizeof(To));
    const auto* from = reinterpret_cast<const float*>(x);
    auto* to = reinterpret_cast<float*>(y);
    for_lanes_streamed(bytes / size, to, streamed, [&](auto lanes, std::int64_t i) GT_BODY {
      if (streamed) prefetch_far(from + i);
      lanes.stream(to + i, lanes.get(from + i));
    });
    __builtin_memcpy(to + bytes / size, from + bytes / size,
                     static_cast<std::size_t>(bytes % size));
  } else {
    for_lanes_streamed(n, y, streamed, [&](auto lanes, std::int64_t i) GT_BODY {
      if (streamed) prefetch_far(x + i);
      lanes.stream(y + i, lanes.get(x + i));
    });
  }
}

template <class From, class To>
void copy_lanes(CpuQueue& queue, const Copy& a) {
  const bool streamed = is_streamed(a.y.bytes());
  for_view_runs<2>(queue, {&a.x, &a.y}, [&](std::int64_t n, const auto& at, const auto& stride) {
    for_pieces(n, Run<const From>{a.x.as<const From>() + at[0], stride[0]},
               Run<To>{a.y.as<To>() + at[1], stride[1]},
               [&](const From* in, To* out, std::int64_t m)
                   GT_BODY { copy_run(in, out, m, streamed); });
  });
}

template <class To, class From>
GT_INLINE To convert(From x) {
  if constexpr (sizeof(From) == 8 && sizeof(To) == 2)
    return To(static_cast<float>(x));
  else if constexpr (sizeof(From) == 2)
    return static_cast<To>(static_cast<float>(x));
  else
    return static_cast<To>(x);
}

template <class From, class To>
void copy_scalars(CpuQueue& queue, const Copy& a) {
  for_view_runs<2>(queue, {&a.x, &a.y}, [&](std::int64_t n, const auto& at, const auto& stride) {
    const From* in = a.x.as<From>() + at[0];
    To* out = a.y.as<To>() + at[1];
    for (std::int64_t i = 0; i < n; ++i) out[i * stride[1]] = convert<To>(in[i * stride[0]]);
  });
}

constexpr std::int64_t kSide = 64;  // of a block whose lines, of both sides, the first cache holds

template <int N>
int unit_dim(const Walk<N>& walk, int view) {
  for (int d = 0; d < walk.dims; ++d)
    if (walk.stride[d][view] == 1) return d;
  return -1;
}

// Two dims swapped, i contiguous in x and j in y, goes block by block; returns whether it did.
template <class From, class To>
bool copy_transposed(CpuQueue& queue, const Copy& a) {
  Walk<2> walk = make_walk<2>({&a.x, &a.y});
  const int i = unit_dim(walk, 0), j = unit_dim(walk, 1);
  if (i < 0 || j < 0 || i == j || walk.stride[j][0] == 0) return false;
  const std::int64_t ni = walk.size[i], nj = walk.size[j];
  if (ni < 8 || nj < 8) return false;
  const std::int64_t x_step = walk.stride[j][0], y_step = walk.stride[i][1];
  walk.total /= ni * nj, walk.size[i] = walk.size[j] = 1;  // what is left: a batch of matrices
  const std::int64_t rows = blocks_of(ni, kSide), columns = blocks_of(nj, kSide);
  queue.pool.parallel_for(walk.total * rows * columns, [&](std::int64_t task, int) {
    const std::int64_t i0 = task / columns % rows * kSide, j0 = task % columns * kSide;
    const std::int64_t matrix = task / columns / rows;
    for_runs(walk, matrix, matrix + 1, [&](std::int64_t, const std::int64_t(&offset)[2]) {
      const From* x = a.x.as<From>() + offset[0];
      To* y = a.y.as<To>() + offset[1];
      for (std::int64_t r = i0; r < smaller(ni, i0 + kSide); ++r)
        for (std::int64_t c = j0; c < smaller(nj, j0 + kSide); ++c)
          y[r * y_step + c] = convert<To>(x[c * x_step + r]);
    });
  });
  return true;
}

// n elements side by side, by registers that hold as many of them as fit.
template <class T>
GT_INLINE void fill_run(T* y, std::int64_t n, T value, bool streamed) {
  constexpr std::int64_t kFloats = sizeof(T) / 4 > 0 ? sizeof(T) / 4 : 1;
  constexpr std::int64_t kEach =
      sizeof(T) < 4 ? 4 / sizeof(T) : 1;  // elements a float's bytes hold
  T values[kLanes * kEach / kFloats];
  for (T& v : values) v = value;
  f32x16 all;
  std::memcpy(&all, values, sizeof all);
  auto* to = reinterpret_cast<float*>(y);
  for_lanes_streamed(n / kEach * kFloats, to, streamed,
                     [&](auto lanes, std::int64_t i) GT_BODY { lanes.stream(to + i, all); });
  for (std::int64_t i = n / kEach * kEach; i < n; ++i) y[i] = value;
}

template <class T>
void fill(CpuQueue& queue, const TensorView& y, T value) {
  const bool streamed = is_streamed(y.bytes());
  for_view_runs<1>(queue, {&y}, [&](std::int64_t n, const auto& at, const auto& stride) {
    T* out = y.as<T>() + at[0];
    if (stride[0] == 1) return fill_run(out, n, value, streamed);
    for (std::int64_t i = 0; i < n; ++i) out[i * stride[0]] = value;
  });
}

}  // namespace

void run(CpuQueue& queue, const Copy& args) {
  const DType from = args.x.dtype, to = args.y.dtype;
  if (from == to && with_integer_type(from, [&](auto type) {
        copy_scalars<decltype(type), decltype(type)>(queue, args);
      }))
    return;
  if (from == DType::f64 && to == DType::f64) return copy_scalars<double, double>(queue, args);
  if (from == DType::f64)
    return with_activation_type(
        args.kName, to, [&](auto type) { copy_scalars<double, decltype(type)>(queue, args); });
  with_activation_type(args.kName, from, [&](auto type) {
    using From = decltype(type);
    if (to == DType::f64) return copy_scalars<From, double>(queue, args);
    with_activation_type(args.kName, to, [&](auto out) {
      using To = decltype(out);
      if (!copy_transposed<From, To>(queue, args)) copy_lanes<From, To>(queue, args);
    });
  });
}

void run(CpuQueue& queue, const Fill& args) {
  const auto with = [&](auto type) { fill(queue, args.y, convert<decltype(type)>(args.value)); };
  if (!with_integer_type(args.y.dtype, with)) with_floating_type(args.kName, args.y.dtype, with);
}

GT_ISA_END

GT_CPU_KERNEL(Copy)
GT_CPU_KERNEL(Fill)
