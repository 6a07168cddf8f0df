#include "gigatrain/nn/sequential.h"

#include <fmt/format.h>

#include "gigatrain/base/error.h"
#include "gigatrain/ops/ops.h"

namespace gigatrain::nn {

Gelu::Gelu() : Function(ops::gelu) {}
Relu::Relu() : Function(ops::relu) {}
Silu::Silu() : Function(ops::silu) {}
Sigmoid::Sigmoid() : Function(ops::sigmoid) {}
Tanh::Tanh() : Function(ops::tanh) {}

Dropout::Dropout(float rate) : rate_(rate) {
  if (!(rate >= 0.0f && rate < 1.0f))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a dropout rate must be in [0, 1), got {}", rate));
}

Tensor Dropout::forward(const Tensor& x, BatchContext& context) {
  DropoutArgs args = context.dropout(rate_, path());
  if (args.rate <= 0.0f) return x;
  args.rows_per_sample = x.view().rows() / x.shape()[0];
  return ops::dropout(x, args);
}

Sequential::Sequential(const std::vector<std::shared_ptr<Layer>>& layers) {
  for (const auto& layer : layers) append(layer);
}

Sequential& Sequential::append(std::shared_ptr<Layer> layer) {
  add_child(std::to_string(children().size()), std::move(layer));
  return *this;
}

Tensor Sequential::forward(const Tensor& x, BatchContext& context) {
  Tensor y = x;
  for (const auto& [name, layer] : children()) y = (*layer)(y, context);
  return y;
}

}  // namespace gigatrain::nn
