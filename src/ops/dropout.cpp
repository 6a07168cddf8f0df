// Dropout (Srivastava et al., JMLR 2014), inverted: kept elements are scaled by 1 / (1 - rate). The
// mask is a function of the global position (base/dropout_args.h), so the backward draws it again.

#include <fmt/format.h>

#include "gigatrain/ops/composed.h"
#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "kernels/dropout.h"
#include "ops/checks.h"

namespace gigatrain::ops {

namespace {

void check(const char* op, const DropoutArgs& args) {
  require(args.rate >= 0.0f && args.rate < 1.0f, op,
          fmt::format("the rate must be in [0, 1), got {}", args.rate));
  require(args.rows_per_sample >= 1, op, "rows_per_sample must be at least 1");
}

Tensor run_dropout(const Tensor& x, const Tensor& residual, const DropoutArgs& args) {
  Tensor y = empty_like(x, "dropout.y");
  const auto rows = [](const Tensor& t) {
    return TensorView(t.view().data, t.dtype(), {t.view().rows(), t.view().cols()});
  };
  x.stream().submit(kernels::Dropout{.x = rows(x),
                                     .y = rows(y),
                                     .residual = residual ? rows(residual) : TensorView{},
                                     .dropout = args});
  return y;
}

struct DropoutNode : Node {
  DropoutArgs args;
  explicit DropoutNode(const DropoutArgs& a) : Node("dropout"), args(a) {}
  void backward(Backward& b) override {
    b.give(0, run_dropout(contiguous(b.dout()), {}, args));
    if (b.wanted(1)) b.give(1, b.dout());
  }
};

}  // namespace

Tensor dropout(const Tensor& x_in, const DropoutArgs& args) {
  require_activation("dropout", "x", x_in);
  check("dropout", args);
  if (!args) return x_in;
  const Tensor x = contiguous(x_in);
  Tensor y = run_dropout(x, {}, args);
  if (grad_needed({x})) Node::connect(std::make_shared<DropoutNode>(args), {x, {}}, {&y});
  return y;
}

Tensor residual_dropout(const Tensor& residual_in, const Tensor& x_in, const DropoutArgs& args) {
  if (!args) return add(residual_in, x_in);
  require_activation("residual_dropout", "x", x_in);
  require_shape("residual_dropout", "residual", residual_in, x_in.shape());
  require_same_dtype("residual_dropout", residual_in, x_in);
  check("residual_dropout", args);
  const Tensor x = contiguous(x_in), residual = contiguous(residual_in);
  Tensor y = run_dropout(x, residual, args);
  if (grad_needed({x, residual}))
    Node::connect(std::make_shared<DropoutNode>(args), {x, residual}, {&y});
  return y;
}

Tensor composed::dropout(const Tensor& x, const DropoutArgs& args) {
  if (!args) return x;
  const std::int64_t cols = x.view().cols();
  std::vector<double> mask(static_cast<std::size_t>(x.numel()));
  for (std::size_t i = 0; i < mask.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i) / cols, col = static_cast<std::int64_t>(i) % cols;
    const auto element = static_cast<std::uint64_t>(row % args.rows_per_sample * cols + col);
    const auto sample = args.first_sample + static_cast<std::uint32_t>(row / args.rows_per_sample);
    const auto words = philox_block(args.key, element, sample, args.step);
    const bool kept = to_uniform(words[element % 4]) >= args.rate;
    mask[i] = kept ? 1.0 / (1.0 - static_cast<double>(args.rate)) : 0.0;
  }
  const Tensor m = Tensor::from<double>(x.device(), x.shape(), mask);
  return mul(x, cast(m, x.dtype()));
}

Tensor composed::residual_dropout(const Tensor& residual, const Tensor& x,
                                  const DropoutArgs& args) {
  return add(residual, composed::dropout(x, args));
}

}  // namespace gigatrain::ops
