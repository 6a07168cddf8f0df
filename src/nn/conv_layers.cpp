#include "gigatrain/nn/conv_layers.h"

#include <fmt/format.h>

#include <cmath>

#include "gigatrain/base/error.h"

namespace gigatrain::nn {

namespace {

std::int64_t group_channels(const char* layer, std::int64_t in, std::int64_t out,
                            std::int64_t groups) {
  if (in < 1 || out < 1 || groups < 1 || in % groups != 0 || out % groups != 0)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: groups must divide both channel counts, got in {}, out {}, groups "
                            "{}",
                            layer, in, out, groups));
  return in / groups;
}

void check_kernel(const char* layer, std::int64_t size) {
  if (size < 1)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: the kernel's sizes must be at least 1, got {}", layer, size));
}

Init normal(float stddev, std::int64_t fan_in) {
  if (stddev == 0.0f) stddev = std::sqrt(2.0f / static_cast<float>(fan_in));
  return {.kind = Init::Kind::normal, .stddev = stddev};
}

}  // namespace

Conv2d::Conv2d(const Options& o) : conv_(o.conv) {
  const std::int64_t in = group_channels("Conv2d", o.in, o.out, o.conv.groups);
  for (const std::int64_t size : o.kernel) check_kernel("Conv2d", size);
  const Init init = normal(o.init_std, in * o.kernel[0] * o.kernel[1]);
  weight_ = add_parameter("weight", {o.out, in, o.kernel[0], o.kernel[1]}, init)->add_use();
  if (o.bias) bias_ = add_parameter("bias", {o.out}, {})->add_use();
}

Tensor Conv2d::forward(const Tensor& x, BatchContext&) {
  return ops::conv2d(x, weight_->tensor(), bias_ ? bias_->tensor() : Tensor{}, conv_);
}

Conv1d::Conv1d(const Options& o) : conv_(o.conv) {
  const std::int64_t in = group_channels("Conv1d", o.in, o.out, o.conv.groups);
  check_kernel("Conv1d", o.kernel);
  weight_ =
      add_parameter("weight", {o.out, in, o.kernel}, normal(o.init_std, in * o.kernel))->add_use();
  if (o.bias) bias_ = add_parameter("bias", {o.out}, {})->add_use();
}

Tensor Conv1d::forward(const Tensor& x, BatchContext&) {
  return ops::conv1d(x, weight_->tensor(), bias_ ? bias_->tensor() : Tensor{}, conv_);
}

GroupNorm::GroupNorm(std::int64_t groups, std::int64_t channels, float eps, bool bias)
    : groups_(groups), eps_(eps) {
  group_channels("GroupNorm", channels, channels, groups);
  weight_ = add_parameter("weight", {channels}, {.kind = Init::Kind::ones})->add_use();
  if (bias) bias_ = add_parameter("bias", {channels}, {})->add_use();
}

Tensor GroupNorm::forward(const Tensor& x, BatchContext&) {
  return ops::group_norm(x, groups_, weight_->tensor(), bias_ ? bias_->tensor() : Tensor{}, eps_);
}

}  // namespace gigatrain::nn
