// Elementwise kernels on the CPU: see kernels/elementwise.h. An operation is a small struct with
// one function for sixteen f32 lanes (bf16 goes through f32) and one for f64, the reference.
#include "kernels/elementwise.h"

#include "kernels/cpu/vec_math.h"
#include "kernels/cpu/walk.h"

GT_ISA_BEGIN
namespace {

struct AddOp {
  template <class V>
  GT_INLINE V operator()(V a, V b) const {
    return a + b;
  }
};
struct SubOp {
  template <class V>
  GT_INLINE V operator()(V a, V b) const {
    return a - b;
  }
};
struct MulOp {
  template <class V>
  GT_INLINE V operator()(V a, V b) const {
    return a * b;
  }
};
struct DivOp {
  template <class V>
  GT_INLINE V operator()(V a, V b) const {
    return a / b;
  }
};

struct ScaleOp {
  double factor;
  GT_INLINE f32x16 operator()(f32x16 x) const { return x * static_cast<float>(factor); }
  GT_INLINE double operator()(double x) const { return x * factor; }
};
struct ExpOp {
  GT_INLINE f32x16 operator()(f32x16 x) const { return exp(x); }
  GT_INLINE double operator()(double x) const { return __builtin_exp(x); }
};
struct LogOp {
  GT_INLINE f32x16 operator()(f32x16 x) const { return log(x); }
  GT_INLINE double operator()(double x) const { return __builtin_log(x); }
};
struct TanhOp {
  GT_INLINE f32x16 operator()(f32x16 x) const { return tanh(x); }
  GT_INLINE double operator()(double x) const { return __builtin_tanh(x); }
};
struct RsqrtOp {
  GT_INLINE f32x16 operator()(f32x16 x) const { return 1.0f / sqrt(x); }
  GT_INLINE double operator()(double x) const { return 1.0 / __builtin_sqrt(x); }
};

// op on n contiguous elements: of f32 and bf16 by lanes, of f64 one by one.
template <class T, class Op, class... In>
GT_INLINE void apply(const Op& op, std::int64_t n, T* y, const In*... x) {
  if constexpr (sizeof(T) == sizeof(double)) {
    for (std::int64_t i = 0; i < n; ++i) y[i] = op(x[i]...);
  } else {
    for_lanes(
        n, [&](auto lanes, std::int64_t i) GT_BODY { lanes.put(y + i, op(lanes.get(x + i)...)); });
  }
}

template <class T, class Op>
void unary_as(CpuQueue& queue, const TensorView& x, const TensorView& y, const Op& op) {
  for_view_runs<2>(queue, {&x, &y}, [&](std::int64_t n, const auto& at, const auto& stride) {
    for_pieces(n, Run<const T>{x.as<const T>() + at[0], stride[0]},
               Run<T>{y.as<T>() + at[1], stride[1]},
               [&](const T* in, T* out, std::int64_t m) GT_BODY { apply(op, m, out, in); });
  });
}

template <class T, class Op>
void binary_as(CpuQueue& queue, const TensorView& a, const TensorView& b, const TensorView& y,
               const Op& op) {
  for_view_runs<3>(queue, {&a, &b, &y}, [&](std::int64_t n, const auto& at, const auto& stride) {
    for_pieces(n, Run<const T>{a.as<const T>() + at[0], stride[0]},
               Run<const T>{b.as<const T>() + at[1], stride[1]},
               Run<T>{y.as<T>() + at[2], stride[2]},
               [&](const T* left, const T* right, T* out, std::int64_t m)
                   GT_BODY { apply(op, m, out, left, right); });
  });
}

// Calls f(T{}) with the element type: float, bf16 or double.
template <class F>
GT_INLINE void with_type(const char* kernel, DType dtype, const F& f) {
  if (dtype == DType::f64) return f(double{});
  with_activation_type(kernel, dtype, f);
}

template <class Args, class Op>
GT_INLINE void unary(CpuQueue& queue, const Args& args, const Op& op) {
  with_type(args.kName, args.x.dtype,
            [&](auto type) { unary_as<decltype(type)>(queue, args.x, args.y, op); });
}

template <class Args, class Op>
GT_INLINE void binary(CpuQueue& queue, const Args& args, const Op& op) {
  with_type(args.kName, args.a.dtype,
            [&](auto type) { binary_as<decltype(type)>(queue, args.a, args.b, args.y, op); });
}

}  // namespace

void run(CpuQueue& queue, const Add& args) {
  binary(queue, args, AddOp{});
}
void run(CpuQueue& queue, const Sub& args) {
  binary(queue, args, SubOp{});
}
void run(CpuQueue& queue, const Mul& args) {
  binary(queue, args, MulOp{});
}
void run(CpuQueue& queue, const Div& args) {
  binary(queue, args, DivOp{});
}
void run(CpuQueue& queue, const Scale& args) {
  unary(queue, args, ScaleOp{args.factor});
}
void run(CpuQueue& queue, const Exp& args) {
  unary(queue, args, ExpOp{});
}
void run(CpuQueue& queue, const Log& args) {
  unary(queue, args, LogOp{});
}
void run(CpuQueue& queue, const Tanh& args) {
  unary(queue, args, TanhOp{});
}
void run(CpuQueue& queue, const Rsqrt& args) {
  unary(queue, args, RsqrtOp{});
}

GT_ISA_END

GT_CPU_KERNEL(Add)
GT_CPU_KERNEL(Sub)
GT_CPU_KERNEL(Mul)
GT_CPU_KERNEL(Div)
GT_CPU_KERNEL(Scale)
GT_CPU_KERNEL(Exp)
GT_CPU_KERNEL(Log)
GT_CPU_KERNEL(Tanh)
GT_CPU_KERNEL(Rsqrt)
