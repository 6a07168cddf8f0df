// Element by element, with broadcasting: a stride of 0 repeats a dim. Views of equal shape, any
// strides, f32, bf16, f16 or f64 (one dtype a call, but for masks). Contiguous ones but f64 take a
// vector path.
#pragma once

#include "gigatrain/base/tensor_view.h"
#include "kernels/kernel.h"

namespace gigatrain::kernels {

// y = op(a, b)
#define GT_BINARY(Args, name)                  \
  struct Args {                                \
    static constexpr const char* kName = name; \
    TensorView a, b, y;                        \
  };                                           \
  GT_KERNEL(Args)
// y = op(x)
#define GT_UNARY(Args, name)                   \
  struct Args {                                \
    static constexpr const char* kName = name; \
    TensorView x, y;                           \
  };                                           \
  GT_KERNEL(Args)

GT_BINARY(Add, "add")
GT_BINARY(Sub, "sub")
GT_BINARY(Mul, "mul")
GT_BINARY(Div, "div")
GT_BINARY(Maximum, "maximum")  // NaN if either is
GT_BINARY(Minimum, "minimum")
// What of the gradient of maximum(a, b) goes to a: 1 where a > b, 0 where a < b, else 1/2.
GT_BINARY(MaximumShare, "maximum_share")

// y is u8, 1 where true; a and b may be i32 too. False where either is NaN.
GT_BINARY(Equal, "equal")
GT_BINARY(Less, "less")

GT_UNARY(Exp, "exp")
GT_UNARY(Log, "log")
GT_UNARY(Tanh, "tanh")
GT_UNARY(Sqrt, "sqrt")
GT_UNARY(Rsqrt, "rsqrt")
GT_UNARY(Sigmoid, "sigmoid")  // 1 / (1 + e^-x)
GT_UNARY(Silu, "silu")        // x sigmoid(x), arXiv:1702.03118
GT_UNARY(Relu, "relu")        // NaN stays NaN
GT_UNARY(Abs, "abs")

// y = a f'(b): a is the gradient of f's output; b is what f kept: its input for silu and abs, its
// output for the others.
GT_BINARY(TanhBackward, "tanh_backward")        // a (1 - b^2)
GT_BINARY(SqrtBackward, "sqrt_backward")        // a / 2b
GT_BINARY(RsqrtBackward, "rsqrt_backward")      // -a b^3 / 2
GT_BINARY(SigmoidBackward, "sigmoid_backward")  // a b (1 - b)
GT_BINARY(SiluBackward, "silu_backward")        // a s (1 + b (1 - s)), s = sigmoid(b)
GT_BINARY(ReluBackward, "relu_backward")        // a where b > 0, else 0
GT_BINARY(AbsBackward, "abs_backward")          // a, 0, -a where b is above, at, below 0

#undef GT_BINARY
#undef GT_UNARY

#define GT_EACH_UNARY(X) X(Exp) X(Log) X(Tanh) X(Sqrt) X(Rsqrt) X(Sigmoid) X(Silu) X(Relu) X(Abs)
#define GT_EACH_BINARY(X) X(Add) X(Sub) X(Mul) X(Div) X(Maximum) X(Minimum) X(MaximumShare)
#define GT_EACH_UNARY_BACKWARD(X) \
  X(TanhBackward)                 \
  X(SqrtBackward) X(RsqrtBackward) X(SigmoidBackward) X(SiluBackward) X(ReluBackward) X(AbsBackward)
#define GT_EACH_COMPARISON(X) X(Equal) X(Less)

struct Scale {
  static constexpr const char* kName = "scale";
  TensorView x, y;
  double factor = 1.0;
};

// y = x^exponent. By repeated multiplication, with a relative error of |exponent| 2^-24 at most,
// when the exponent is an integer below 2^31 in size; else by e^(exponent log x), with an error of
// about (1 + |exponent log x|) 2^-23, and NaN for x < 0.
struct Pow {
  static constexpr const char* kName = "pow";
  TensorView x, y;
  double exponent = 1.0;
};

// y = mask ? a : b; mask u8, true when not 0.
struct Where {
  static constexpr const char* kName = "where";
  TensorView mask, a, b, y;
};

// Strided copy with conversion between any two floating dtypes (cast, contiguous, broadcast);
// of u8, i32 and i64 without.
struct Copy {
  static constexpr const char* kName = "copy";
  TensorView x, y;
};
struct Fill {  // an integer dtype takes a whole number that it can hold
  static constexpr const char* kName = "fill";
  TensorView y;
  double value = 0.0;
};

GT_KERNEL(Scale)
GT_KERNEL(Pow)
GT_KERNEL(Where)
GT_KERNEL(Copy)
GT_KERNEL(Fill)

}  // namespace gigatrain::kernels
