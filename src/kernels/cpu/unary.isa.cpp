// Functions of one input and their derivatives, on the CPU: see kernels/elementwise.h.
#include "kernels/cpu/elementwise.h"
#include "kernels/elementwise.h"

GT_ISA_BEGIN
namespace {

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
struct SqrtOp {
  GT_INLINE f32x16 operator()(f32x16 x) const { return sqrt(x); }
  GT_INLINE double operator()(double x) const { return __builtin_sqrt(x); }
};
struct RsqrtOp {
  GT_INLINE f32x16 operator()(f32x16 x) const { return 1.0f / sqrt(x); }
  GT_INLINE double operator()(double x) const { return 1.0 / __builtin_sqrt(x); }
};
struct SigmoidOp {
  GT_INLINE f32x16 operator()(f32x16 x) const { return 1.0f / (exp(-x) + 1.0f); }
  GT_INLINE double operator()(double x) const { return 1.0 / (1.0 + __builtin_exp(-x)); }
};
struct ReluOp {
  GT_INLINE f32x16 operator()(f32x16 x) const { return max(f32x16{}, x); }  // a NaN stays one
  GT_INLINE double operator()(double x) const { return 0.0 > x ? 0.0 : x; }
};
struct AbsOp {
  GT_INLINE f32x16 operator()(f32x16 x) const { return GT_ISA::abs(x); }
  GT_INLINE double operator()(double x) const { return __builtin_fabs(x); }
};

// Clamped to where silu is 0 or x, so that infinities give no inf / inf; a NaN stays one.
GT_INLINE f32x16 silu_clamp(f32x16 x) {
  return min(splat(104.0f), max(splat(-104.0f), x));
}
GT_INLINE double silu_clamp(double x) {
  return x < -800.0 ? -800.0 : x > 800.0 ? 800.0 : x;
}

struct SiluOp {
  GT_INLINE f32x16 operator()(f32x16 x) const {
    const f32x16 low = max(splat(-104.0f), x);
    return low / (exp(-low) + 1.0f);
  }
  GT_INLINE double operator()(double x) const {
    const double low = x < -800.0 ? -800.0 : x;
    return low / (1.0 + __builtin_exp(-low));
  }
};

// In each: the gradient dy of the output, and what was kept.
struct TanhBackwardOp {
  template <class V>
  GT_INLINE V operator()(V dy, V y) const {
    return dy * (1.0f - y * y);
  }
};
struct SqrtBackwardOp {
  template <class V>
  GT_INLINE V operator()(V dy, V y) const {
    return dy / (y + y);
  }
};
struct RsqrtBackwardOp {
  template <class V>
  GT_INLINE V operator()(V dy, V y) const {
    return dy * (y * y * y) * -0.5f;
  }
};
struct SigmoidBackwardOp {
  template <class V>
  GT_INLINE V operator()(V dy, V y) const {
    return dy * (y * (1.0f - y));
  }
};
struct SiluBackwardOp {
  template <class V>
  GT_INLINE V operator()(V dy, V x) const {
    const V c = silu_clamp(x), s = SigmoidOp{}(c);
    return dy * (s * (1.0f + c * (1.0f - s)));
  }
};
struct ReluBackwardOp {
  GT_INLINE f32x16 operator()(f32x16 dy, f32x16 y) const {
    return select(less_equal(y, f32x16{}), f32x16{}, dy);
  }
  GT_INLINE double operator()(double dy, double y) const { return y <= 0.0 ? 0.0 : dy; }
};
struct AbsBackwardOp {
  GT_INLINE f32x16 operator()(f32x16 dy, f32x16 x) const {
    return select(less(f32x16{}, x), dy, select(less(x, f32x16{}), -dy, dy * x));
  }
  GT_INLINE double operator()(double dy, double x) const {
    return x > 0.0 ? dy : x < 0.0 ? -dy : dy * x;
  }
};

struct PowOp {
  double exponent;
  bool whole = is_whole(exponent);

  GT_INLINE f32x16 operator()(f32x16 x) const {
    if (whole) return repeated(x, splat(1.0f));
    return exp(log(x) * static_cast<float>(exponent));
  }
  GT_INLINE double operator()(double x) const {
    if (whole) return repeated(x, 1.0);
    return x < 0.0 ? __builtin_nan("") : __builtin_pow(x, exponent);
  }

 private:
  static bool is_whole(double e) {
    return e > -2147483648.0 && e < 2147483648.0 && e == static_cast<double>(static_cast<int>(e));
  }
  template <class V>
  GT_INLINE V repeated(V x, V y) const {
    const V one = y;
    for (auto n = static_cast<unsigned>(__builtin_fabs(exponent)); n != 0; n /= 2) {
      if (n % 2 != 0) y = y * x;
      if (n > 1) x = x * x;
    }
    return exponent < 0.0 ? one / y : y;
  }
};

}  // namespace

GT_RUN_UNARY(Scale, ScaleOp{args.factor})
GT_RUN_UNARY(Pow, PowOp{args.exponent})
GT_RUN_UNARY(Exp, ExpOp{})
GT_RUN_UNARY(Log, LogOp{})
GT_RUN_UNARY(Tanh, TanhOp{})
GT_RUN_UNARY(Sqrt, SqrtOp{})
GT_RUN_UNARY(Rsqrt, RsqrtOp{})
GT_RUN_UNARY(Sigmoid, SigmoidOp{})
GT_RUN_UNARY(Silu, SiluOp{})
GT_RUN_UNARY(Relu, ReluOp{})
GT_RUN_UNARY(Abs, AbsOp{})
GT_RUN_BINARY(TanhBackward, TanhBackwardOp{})
GT_RUN_BINARY(SqrtBackward, SqrtBackwardOp{})
GT_RUN_BINARY(RsqrtBackward, RsqrtBackwardOp{})
GT_RUN_BINARY(SigmoidBackward, SigmoidBackwardOp{})
GT_RUN_BINARY(SiluBackward, SiluBackwardOp{})
GT_RUN_BINARY(ReluBackward, ReluBackwardOp{})
GT_RUN_BINARY(AbsBackward, AbsBackwardOp{})

GT_ISA_END

GT_CPU_KERNEL(Scale)
GT_CPU_KERNEL(Pow)
GT_EACH_UNARY(GT_CPU_KERNEL)
GT_EACH_UNARY_BACKWARD(GT_CPU_KERNEL)
