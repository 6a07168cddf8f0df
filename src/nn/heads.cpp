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

// The mean over outputs, summed over samples.
RegressionHead::Loss pointwise_loss(float huber_delta) {
  return [huber_delta](const Tensor& y, const Tensor& wanted, double scale) {
    const Tensor target = ops::cast(wanted, DType::f32);
    const double each = scale / static_cast<double>(y.shape()[-1]);
    return huber_delta > 0.0f ? ops::huber_loss(y, target, static_cast<double>(huber_delta), each)
                              : ops::mse_loss(y, target, each);
  };
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
  return ops::cross_entropy(predict(batch, context), batch.at(options_.label), scale,
                            options_.loss);
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
  if (!options_.loss) options_.loss = pointwise_loss(options_.huber_delta);
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
