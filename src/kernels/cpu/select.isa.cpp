// Comparisons and choice by a mask, on the CPU: see kernels/elementwise.h.
#include "kernels/cpu/walk.h"
#include "kernels/elementwise.h"

GT_ISA_BEGIN
namespace {

template <class T>
GT_INLINE auto comparable(T x) {
  if constexpr (sizeof(T) == 2)
    return static_cast<float>(x);
  else
    return x;
}

// y = op(a, b) on elements of one type.
template <class T, class Op>
void compare_as(CpuQueue& queue, const TensorView& a, const TensorView& b, const TensorView& y,
                const Op& op) {
  for_view_runs<3>(queue, {&a, &b, &y}, [&](std::int64_t n, const auto& at, const auto& stride) {
    const T *left = a.as<T>() + at[0], *right = b.as<T>() + at[1];
    std::uint8_t* out = y.as<std::uint8_t>() + at[2];
    if (stride[0] == 1 && stride[1] == 1 && stride[2] == 1) {
      for (std::int64_t i = 0; i < n; ++i) out[i] = op(comparable(left[i]), comparable(right[i]));
      return;
    }
    for (std::int64_t i = 0; i < n; ++i)
      out[i * stride[2]] = op(comparable(left[i * stride[0]]), comparable(right[i * stride[1]]));
  });
}

template <class Args, class Op>
void compare(CpuQueue& queue, const Args& args, const Op& op) {
  const auto as = [&](auto type) { compare_as<decltype(type)>(queue, args.a, args.b, args.y, op); };
  if (args.a.dtype == DType::i32) return as(std::int32_t{});
  with_floating_type(args.kName, args.a.dtype, as);
}

template <class T>
void where(CpuQueue& queue, const Where& args) {
  for_view_runs<4>(queue, {&args.mask, &args.a, &args.b, &args.y},
                   [&](std::int64_t n, const auto& at, const auto& stride) {
                     const std::uint8_t* mask = args.mask.as<std::uint8_t>() + at[0];
                     const T *a = args.a.as<T>() + at[1], *b = args.b.as<T>() + at[2];
                     T* y = args.y.as<T>() + at[3];
                     for (std::int64_t i = 0; i < n; ++i)
                       y[i * stride[3]] = mask[i * stride[0]] ? a[i * stride[1]] : b[i * stride[2]];
                   });
}

}  // namespace

void run(CpuQueue& queue, const Equal& args) {
  compare(queue, args, [](auto a, auto b) GT_BODY { return a == b; });
}
void run(CpuQueue& queue, const Less& args) {
  compare(queue, args, [](auto a, auto b) GT_BODY { return a < b; });
}
void run(CpuQueue& queue, const Where& args) {
  with_floating_type(args.kName, args.y.dtype,
                     [&](auto type) { where<decltype(type)>(queue, args); });
}

GT_ISA_END

GT_EACH_COMPARISON(GT_CPU_KERNEL)
GT_CPU_KERNEL(Where)
