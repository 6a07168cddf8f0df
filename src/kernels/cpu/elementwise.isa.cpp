// Arithmetic on two inputs, on the CPU: see kernels/elementwise.h.
#include "kernels/elementwise.h"

#include "kernels/cpu/elementwise.h"

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

// max and min give their second operand when either is NaN.
struct MaximumOp {
  GT_INLINE f32x16 operator()(f32x16 a, f32x16 b) const {
    return select(equal(a, a), max(a, b), a);
  }
  GT_INLINE double operator()(double a, double b) const { return a > b || a != a ? a : b; }
};
struct MinimumOp {
  GT_INLINE f32x16 operator()(f32x16 a, f32x16 b) const {
    return select(equal(a, a), min(a, b), a);
  }
  GT_INLINE double operator()(double a, double b) const { return a < b || a != a ? a : b; }
};
struct MaximumShareOp {
  GT_INLINE f32x16 operator()(f32x16 a, f32x16 b) const {
    return select(less(b, a), splat(1.0f), select(less(a, b), f32x16{}, splat(0.5f)));
  }
  GT_INLINE double operator()(double a, double b) const { return a > b ? 1.0 : a < b ? 0.0 : 0.5; }
};

}  // namespace

GT_RUN_BINARY(Add, AddOp{})
GT_RUN_BINARY(Sub, SubOp{})
GT_RUN_BINARY(Mul, MulOp{})
GT_RUN_BINARY(Div, DivOp{})
GT_RUN_BINARY(Maximum, MaximumOp{})
GT_RUN_BINARY(Minimum, MinimumOp{})
GT_RUN_BINARY(MaximumShare, MaximumShareOp{})

GT_ISA_END

GT_EACH_BINARY(GT_CPU_KERNEL)
