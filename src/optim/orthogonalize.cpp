#include "optim/orthogonalize.h"

#include "kernels/elementwise.h"
#include "kernels/gemm.h"
#include "kernels/reduce.h"

namespace gigatrain::optim {

namespace {

constexpr int kSteps = 5;
constexpr double kA = 3.4445, kB = -4.7750, kC = 2.0315;
constexpr double kTiny = 1e-14;  // squared norm at which a matrix counts as zero

Tensor workspace(Device& device, const Shape& shape, DType dtype) {
  return Tensor::empty(device, shape, dtype, {Purpose::workspace, "muon"});
}

class NewtonSchulz {
 public:
  NewtonSchulz(const Tensor& x, DType compute)
      : x_(x), compute_(compute), wide_(x.shape()[1] < x.shape()[2]) {
    const std::int64_t count = x.shape()[0], side = wide_ ? x.shape()[1] : x.shape()[2];
    Device& device = x.device();
    gram_ = workspace(device, {count, side, side}, DType::f32);
    scaled_ = workspace(device, {count, side, side}, DType::f32);
    next_ = workspace(device, x.shape(), DType::f32);
  }

  // X = M / |M|, with |M|^2 the trace of its Gram matrix.
  void normalize() {
    const Tensor operand = narrow(x_);
    product(operand, operand, gram_, wide_);
    const Shape each{x_.shape()[0], 1, 1};
    const Tensor norm = workspace(x_.device(), each, DType::f32);
    const Tensor tiny = workspace(x_.device(), {1, 1, 1}, DType::f32);
    submit(kernels::Fill{.y = tiny.view(), .value = kTiny});
    submit(kernels::Sum{.x = diagonal(gram_), .y = norm.view()});
    submit(kernels::Add{.a = norm.view(), .b = repeated(tiny, each), .y = norm.view()});
    submit(kernels::Rsqrt{.x = norm.view(), .y = norm.view()});
    submit(kernels::Mul{.a = x_.view(), .b = repeated(norm, x_.shape()), .y = x_.view()});
  }

  // X <- factor (a X + (b A + c A^2) X), or with the products on the right of a tall X.
  void step(double factor) {
    const Tensor operand = narrow(x_);
    product(operand, operand, gram_, wide_);
    submit(kernels::Scale{.x = gram_.view(), .y = scaled_.view(), .factor = factor * kC});
    const Tensor left = narrow(scaled_), right = narrow(gram_);
    submit(kernels::Scale{.x = gram_.view(), .y = scaled_.view(), .factor = factor * kB});
    multiply(left, right, scaled_);  // b A + c A^2
    submit(kernels::Scale{.x = x_.view(), .y = next_.view(), .factor = factor * kA});
    const Tensor polynomial = narrow(scaled_);
    if (wide_)
      multiply(polynomial, operand, next_);
    else
      multiply(operand, polynomial, next_);
    submit(kernels::Copy{.x = next_.view(), .y = x_.view()});
  }

 private:
  template <class Args>
  void submit(const Args& args) {
    x_.stream().submit(args);
  }
  // The Gram matrix over the shorter side: X X^T, or X^T X.
  void product(const Tensor& a, const Tensor& b, const Tensor& c, bool rows) {
    submit(kernels::Gemm{
        .a = a.view(), .b = b.view(), .c = c.view(), .trans_a = !rows, .trans_b = rows});
  }
  void multiply(const Tensor& a, const Tensor& b, const Tensor& sum) {
    submit(kernels::Gemm{.a = a.view(), .b = b.view(), .c = sum.view(), .accumulate = true});
  }
  // A copy in the dtype of the products; in f32 too, since x may be a window with long rows.
  Tensor narrow(const Tensor& x) {
    const Tensor y = workspace(x.device(), x.shape(), compute_);
    submit(kernels::Copy{.x = x.view(), .y = y.view()});
    return y;
  }
  static TensorView diagonal(const Tensor& square) {
    TensorView v = square.view();
    v.shape = {square.shape()[0], square.shape()[1], 1};
    v.strides = {square.numel() / square.shape()[0], square.shape()[1] + 1, 1};
    return v;
  }
  // One value a matrix, or one for all, seen in a larger shape.
  static TensorView repeated(const Tensor& x, const Shape& shape) {
    TensorView v = x.view();
    v.shape = shape;
    v.strides = {x.shape()[0] == 1 ? 0 : 1, 0, 0};
    return v;
  }

  Tensor x_;
  DType compute_;
  bool wide_;
  Tensor gram_, scaled_, next_;
};

}  // namespace

void orthogonalize(const Tensor& x, DType compute, float scale) {
  NewtonSchulz newton(x, compute);
  newton.normalize();
  for (int i = 0; i < kSteps; ++i) newton.step(i + 1 == kSteps ? static_cast<double>(scale) : 1.0);
}

}  // namespace gigatrain::optim
