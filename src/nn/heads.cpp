#include "gigatrain/nn/heads.h"

#include <fmt/format.h>

#include "gigatrain/base/error.h"
#include "gigatrain/ops/ops.h"

namespace gigatrain::nn {

namespace {

std::shared_ptr<Layer> linear(std::int64_t in, std::int64_t out, float init_std) {
  if (in < 1 || out < 1)
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("a head needs channels and outputs of at least 1, got {} and {}", in, out));
  return std::make_shared<Linear>(Linear::Options{.in = in, .out = out, .init_std = init_std});
}

std::shared_ptr<Layer> require_body(std::shared_ptr<Layer> body) {
  if (!body) throw Error(ErrorCode::invalid_argument, "a head needs a body, got none");
  return body;
}

// Through the fused head with the identity for a weight, which changes no bit of the logits.
Tensor cross_entropy(const Tensor& logits, const Tensor& labels, double scale) {
  const std::int64_t k = logits.shape()[-1];
  std::vector<float> one(static_cast<std::size_t>(k * k));
  for (std::int64_t i = 0; i < k; ++i) one[static_cast<std::size_t>(i * k + i)] = 1.0f;
  const Tensor identity = Tensor::from<float>(logits.device(), {k, k}, one);
  return ops::linear_cross_entropy(logits, ops::cast(identity, logits.dtype()), labels, scale);
}

Tensor mean_squares(const Tensor& y, const Tensor& target, double scale) {
  const Tensor d = ops::sub(ops::cast(y, DType::f32), ops::cast(target, DType::f32));
  return ops::scale(ops::sum(ops::mul(d, d)), scale / static_cast<double>(y.shape()[-1]));
}

}  // namespace

ClassificationHead::ClassificationHead(std::shared_ptr<Layer> body, const Options& options)
    : options_(options) {
  body_ = require_body(std::move(body));
  head_ = linear(options.channels, options.classes, options.init_std);
  assign_names(*this);
}

Tensor ClassificationHead::forward(const Tensor& x, BatchContext& context) {
  return head_(body_(x, context), context);
}

Tensor ClassificationHead::loss(const Batch& batch, double scale, BatchContext& context) {
  return cross_entropy(predict(batch, context), batch.at(options_.label), scale);
}

Tensor ClassificationHead::predict(const Batch& batch, BatchContext& context) {
  return (*this)(batch.at(options_.x), context);
}

void ClassificationHead::check_fields(std::span<const FieldSpec> fields) const {
  Model::check_fields(fields);
  find_field(fields, options_.x);
}

std::vector<IdRange> ClassificationHead::id_ranges() const {
  return {{options_.label, -1, options_.classes}};
}

RegressionHead::RegressionHead(std::shared_ptr<Layer> body, const Options& options)
    : options_(options) {
  body_ = require_body(std::move(body));
  head_ = linear(options.channels, options.outputs, options.init_std);
  if (!options_.loss) options_.loss = mean_squares;
  assign_names(*this);
}

Tensor RegressionHead::forward(const Tensor& x, BatchContext& context) {
  return head_(body_(x, context), context);
}

Tensor RegressionHead::loss(const Batch& batch, double scale, BatchContext& context) {
  const Tensor y = predict(batch, context);
  return options_.loss(y, ops::reshape(batch.at(options_.target), y.shape()), scale);
}

Tensor RegressionHead::predict(const Batch& batch, BatchContext& context) {
  return (*this)(batch.at(options_.x), context);
}

void RegressionHead::check_fields(std::span<const FieldSpec> fields) const {
  find_field(fields, options_.x);
  const FieldSpec& target = find_field(fields, options_.target);
  if (target.shape.numel() != options_.outputs || !is_floating(target.dtype))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("field '{}' must hold {} floating-point values a sample, got {} {}",
                            target.name, options_.outputs, name(target.dtype), target.shape.str()));
}

}  // namespace gigatrain::nn
