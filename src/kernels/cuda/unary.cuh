// Functions of one input and their derivatives on the GPU: kernels/elementwise.h.
#pragma once

#include "kernels/cuda/elementwise.cuh"

namespace gigatrain::kernels::cuda {

template <class F>
struct ScaleOp {
  F factor;
  GT_DEVICE F operator()(F x) const { return x * factor; }
};
struct ExpOp {
  template <class F>
  GT_DEVICE F operator()(F x) const {
    return std::exp(x);
  }
};
struct LogOp {
  template <class F>
  GT_DEVICE F operator()(F x) const {
    return std::log(x);
  }
};
struct TanhOp {
  template <class F>
  GT_DEVICE F operator()(F x) const {
    return std::tanh(x);
  }
};
struct SqrtOp {
  template <class F>
  GT_DEVICE F operator()(F x) const {
    return std::sqrt(x);
  }
};
struct RsqrtOp {
  template <class F>
  GT_DEVICE F operator()(F x) const {
    return F(1) / std::sqrt(x);
  }
};
struct SigmoidOp {
  template <class F>
  GT_DEVICE F operator()(F x) const {
    return F(1) / (F(1) + std::exp(-x));
  }
};
struct ReluOp {
  template <class F>
  GT_DEVICE F operator()(F x) const {
    return F(0) > x ? F(0) : x;  // a NaN stays one
  }
};
struct AbsOp {
  template <class F>
  GT_DEVICE F operator()(F x) const {
    return std::fabs(x);
  }
};

// Beyond it silu is 0 or x: infinities give no inf / inf.
template <class F>
inline constexpr F kSiluLimit = sizeof(F) == 8 ? F(800) : F(104);

struct SiluOp {
  template <class F>
  GT_DEVICE F operator()(F x) const {
    const F low = x < -kSiluLimit<F> ? -kSiluLimit<F> : x;
    return low / (F(1) + std::exp(-low));
  }
};

// In each: the gradient dy of the output, and what was kept.
struct TanhBackwardOp {
  template <class F>
  GT_DEVICE F operator()(F dy, F y) const {
    return dy * (F(1) - y * y);
  }
};
struct SqrtBackwardOp {
  template <class F>
  GT_DEVICE F operator()(F dy, F y) const {
    return dy / (y + y);
  }
};
struct RsqrtBackwardOp {
  template <class F>
  GT_DEVICE F operator()(F dy, F y) const {
    return dy * (y * y * y) * F(-0.5);
  }
};
struct SigmoidBackwardOp {
  template <class F>
  GT_DEVICE F operator()(F dy, F y) const {
    return dy * (y * (F(1) - y));
  }
};
struct SiluBackwardOp {
  template <class F>
  GT_DEVICE F operator()(F dy, F x) const {
    const F low = x < -kSiluLimit<F> ? -kSiluLimit<F> : x;
    const F c = low > kSiluLimit<F> ? kSiluLimit<F> : low, s = SigmoidOp{}(c);
    return dy * (s * (F(1) + c * (F(1) - s)));
  }
};
struct ReluBackwardOp {
  template <class F>
  GT_DEVICE F operator()(F dy, F y) const {
    return y <= F(0) ? F(0) : dy;
  }
};
struct AbsBackwardOp {
  template <class F>
  GT_DEVICE F operator()(F dy, F x) const {
    return x > F(0) ? dy : x < F(0) ? -dy : dy * x;
  }
};

// `times` is |exponent| when that is an integer below 2^31, else 0.
template <class F>
struct PowOp {
  F exponent;
  unsigned times;

  GT_DEVICE F operator()(F x) const {
    if (exponent != F(0) && times == 0) return x < F(0) ? F(NAN) : std::pow(x, exponent);
    F y = F(1);
    for (unsigned n = times; n != 0; n /= 2) {
      if (n % 2 != 0) y *= x;
      if (n > 1) x *= x;
    }
    return exponent < F(0) ? F(1) / y : y;
  }
};

GT_LAUNCH_UNARY(Exp, ExpOp{})
GT_LAUNCH_UNARY(Log, LogOp{})
GT_LAUNCH_UNARY(Tanh, TanhOp{})
GT_LAUNCH_UNARY(Sqrt, SqrtOp{})
GT_LAUNCH_UNARY(Rsqrt, RsqrtOp{})
GT_LAUNCH_UNARY(Sigmoid, SigmoidOp{})
GT_LAUNCH_UNARY(Silu, SiluOp{})
GT_LAUNCH_UNARY(Relu, ReluOp{})
GT_LAUNCH_UNARY(Abs, AbsOp{})
GT_LAUNCH_BINARY(TanhBackward, TanhBackwardOp{})
GT_LAUNCH_BINARY(SqrtBackward, SqrtBackwardOp{})
GT_LAUNCH_BINARY(RsqrtBackward, RsqrtBackwardOp{})
GT_LAUNCH_BINARY(SigmoidBackward, SigmoidBackwardOp{})
GT_LAUNCH_BINARY(SiluBackward, SiluBackwardOp{})
GT_LAUNCH_BINARY(ReluBackward, ReluBackwardOp{})
GT_LAUNCH_BINARY(AbsBackward, AbsBackwardOp{})

template <class Queue>
void launch(Queue& queue, const Scale& a) {
  with_floating_type(a.kName, a.y.dtype, [&](auto type) {
    using T = decltype(type);
    const ScaleOp<WideOf<T>> op{static_cast<WideOf<T>>(a.factor)};
    launch_elementwise<T, T>(queue, op, {&a.x, &a.y});
  });
}

template <class Queue>
void launch(Queue& queue, const Pow& a) {
  const double size = std::fabs(a.exponent);
  const unsigned times = size < 2147483648.0 ? static_cast<unsigned>(size) : 0;
  with_floating_type(a.kName, a.y.dtype, [&](auto type) {
    using T = decltype(type);
    const PowOp<WideOf<T>> op{.exponent = static_cast<WideOf<T>>(a.exponent),
                              .times = static_cast<double>(times) == size ? times : 0};
    launch_elementwise<T, T>(queue, op, {&a.x, &a.y});
  });
}

}  // namespace gigatrain::kernels::cuda
