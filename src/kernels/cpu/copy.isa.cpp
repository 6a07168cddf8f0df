// Copy with conversion, and fill, on the CPU: see kernels/elementwise.h. f64 becomes bf16 by way of
// f32 (two roundings), as everywhere.
#include "kernels/cpu/walk.h"
#include "kernels/elementwise.h"

GT_ISA_BEGIN
namespace {

template <class From, class To>
void copy_lanes(CpuQueue& queue, const Copy& a) {
  for_view_runs<2>(queue, {&a.x, &a.y}, [&](std::int64_t n, const auto& at, const auto& stride) {
    for_pieces(n, Run<const From>{a.x.as<const From>() + at[0], stride[0]},
               Run<To>{a.y.as<To>() + at[1], stride[1]},
               [&](const From* in, To* out, std::int64_t m) GT_BODY {
                 for_lanes(m, [&](auto lanes, std::int64_t i)
                                  GT_BODY { lanes.put(out + i, lanes.get(in + i)); });
               });
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

template <class T>
void fill(CpuQueue& queue, const TensorView& y, T value) {
  for_view_runs<1>(queue, {&y}, [&](std::int64_t n, const auto& at, const auto& stride) {
    T* out = y.as<T>() + at[0];
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
    with_activation_type(args.kName, to,
                         [&](auto out) { copy_lanes<From, decltype(out)>(queue, args); });
  });
}

void run(CpuQueue& queue, const Fill& args) {
  const auto with = [&](auto type) {
    fill(queue, args.y, convert<decltype(type)>(args.value));
  };
  if (!with_integer_type(args.y.dtype, with)) with_floating_type(args.kName, args.y.dtype, with);
}

GT_ISA_END

GT_CPU_KERNEL(Copy)
GT_CPU_KERNEL(Fill)
