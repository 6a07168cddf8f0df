#include "gigatrain/nn/layers.h"

#include <fmt/format.h>

#include "gigatrain/base/error.h"
#include "kernels/elementwise.h"
#include "nn/product_weight.h"

namespace gigatrain::nn {

Linear::Linear(const Options& o) : options_(o) {
  const bool in_out = o.layout == ops::WeightLayout::in_out;
  const Init init{.kind = Init::Kind::normal, .stddev = o.init_std};
  weight_ =
      add_parameter("weight", in_out ? Shape{o.in, o.out} : Shape{o.out, o.in}, init)->add_use();
  if (o.bias) bias_ = add_parameter("bias", {o.out}, {})->add_use();
}

Tensor Linear::forward(const Tensor& x, BatchContext& context) {
  return ops::linear(x, product_weight(*weight_, context), bias_ ? bias_->tensor() : Tensor{},
                     {.layout = options_.layout, .gelu = options_.gelu});
}

PackedLinear::PackedLinear(const Options& o) {
  std::vector<std::shared_ptr<Parameter>> weights, biases;
  for (const auto& part : o.parts) {
    weights.push_back(add_parameter(part.name + ".weight", {part.out, o.in},
                                    {.kind = Init::Kind::normal, .stddev = o.init_std}));
    if (o.bias) biases.push_back(add_parameter(part.name + ".bias", {part.out}, {}));
  }
  weight_ = std::make_unique<ParameterPack>(std::move(weights));
  if (o.bias) bias_ = std::make_unique<ParameterPack>(std::move(biases));
}

Tensor PackedLinear::forward(const Tensor& x, BatchContext& context) {
  return ops::linear(x, product_weight(*weight_, context), bias_ ? bias_->tensor() : Tensor{});
}

LayerNorm::LayerNorm(std::int64_t channels, float eps, bool bias) : eps_(eps) {
  weight_ = add_parameter("weight", {channels}, {.kind = Init::Kind::ones})->add_use();
  if (bias) bias_ = add_parameter("bias", {channels}, {})->add_use();
}

Tensor LayerNorm::forward(const Tensor& x, BatchContext&) {
  return ops::layer_norm(x, weight_->tensor(), bias_ ? bias_->tensor() : Tensor{}, eps_);
}

ops::ResidualNorm LayerNorm::add_and_norm(const Tensor& x, const Tensor& delta,
                                          const DropoutArgs& dropout) {
  const LayerScope scope(path());
  return ops::residual_norm(x, delta, weight_->tensor(), bias_ ? bias_->tensor() : Tensor{}, eps_,
                            dropout);
}

RmsNorm::RmsNorm(std::int64_t channels, float eps) : eps_(eps) {
  weight_ = add_parameter("weight", {channels}, {.kind = Init::Kind::ones})->add_use();
}

Tensor RmsNorm::forward(const Tensor& x, BatchContext&) {
  return ops::rms_norm(x, weight_->tensor(), eps_);
}

ops::ResidualNorm RmsNorm::add_and_norm(const Tensor& x, const Tensor& delta,
                                        const DropoutArgs& dropout) {
  return ops::residual_rms_norm(x, delta, weight_->tensor(), eps_, dropout);
}

Embedding::Embedding(std::int64_t count, std::int64_t channels, float init_std)
    : parameter_(add_parameter("weight", {count, channels},
                               {.kind = Init::Kind::normal, .stddev = init_std})),
      use_(parameter_->add_use()) {}

Tensor Embedding::forward(const Tensor& tokens, BatchContext&) {
  return ops::embedding(tokens, table(), {}, 0, {}, dtype());
}

KvCache::Entry KvCache::append(const std::string& layer, const Tensor& k, const Tensor& v) {
  Entry* entry = nullptr;
  for (auto& e : entries_)
    if (e.layer == layer) entry = &e;
  if (!entry) {
    Shape shape = k.shape();
    shape[1] = max_;
    const BlockName name{Purpose::activations, "kv_cache"};
    entries_.push_back({layer, Tensor::empty(k.device(), shape, k.dtype(), name),
                        Tensor::empty(k.device(), shape, k.dtype(), name)});
    entry = &entries_.back();
  }
  const std::int64_t end = length_ + k.shape()[1];
  if (k.shape()[0] != batch_ || end > max_)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the cache holds {} sequences of {} positions; {} of {} do not fit",
                            batch_, max_, k.shape()[0], end));
  const auto put = [&](const Tensor& from, const Tensor& to) {
    const Tensor window = ops::slice(to, 1, length_, end);
    from.stream().submit(kernels::Copy{.x = from.view(), .y = window.view()});
    return ops::slice(to, 1, 0, end);
  };
  return {layer, put(k, entry->k), put(v, entry->v)};
}

}  // namespace gigatrain::nn
