// Element by element, with broadcasting: a stride of 0 repeats a dim. Views of equal shape, any
// strides, f32, bf16 or f64 (one dtype a call). Contiguous f32 and bf16 take a vector path.
#pragma once

#include "gigatrain/base/tensor_view.h"
#include "kernels/kernel.h"

namespace gigatrain::kernels {

struct Add {
  static constexpr const char* kName = "add";
  TensorView a, b, y;
};
struct Sub {
  static constexpr const char* kName = "sub";
  TensorView a, b, y;
};
struct Mul {
  static constexpr const char* kName = "mul";
  TensorView a, b, y;
};
struct Div {
  static constexpr const char* kName = "div";
  TensorView a, b, y;
};
struct Scale {
  static constexpr const char* kName = "scale";
  TensorView x, y;
  double factor = 1.0;
};
struct Exp {
  static constexpr const char* kName = "exp";
  TensorView x, y;
};
struct Log {
  static constexpr const char* kName = "log";
  TensorView x, y;
};
struct Tanh {
  static constexpr const char* kName = "tanh";
  TensorView x, y;
};
struct Rsqrt {
  static constexpr const char* kName = "rsqrt";
  TensorView x, y;
};

// Strided copy with conversion between any two floating dtypes (cast, contiguous, broadcast).
struct Copy {
  static constexpr const char* kName = "copy";
  TensorView x, y;
};
struct Fill {
  static constexpr const char* kName = "fill";
  TensorView y;
  double value = 0.0;
};

GT_KERNEL(Add)
GT_KERNEL(Sub)
GT_KERNEL(Mul)
GT_KERNEL(Div)
GT_KERNEL(Scale)
GT_KERNEL(Exp)
GT_KERNEL(Log)
GT_KERNEL(Tanh)
GT_KERNEL(Rsqrt)
GT_KERNEL(Copy)
GT_KERNEL(Fill)

}  // namespace gigatrain::kernels
