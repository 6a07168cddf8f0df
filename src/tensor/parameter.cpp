#include "gigatrain/tensor/parameter.h"

#include <fmt/format.h>

#include "gigatrain/base/error.h"
#include "kernels/elementwise.h"
#include "kernels/random.h"

namespace gigatrain {

ParameterUse::ParameterUse(Parameter& parameter)
    : parameter_(parameter), leaf_(std::make_shared<GradLeaf>()) {}

Tensor ParameterUse::tensor() {
  const Tensor& value = parameter_.compute_value();
  if (!tensor_ || version_ != parameter_.version_) {
    tensor_ = value.detach();
    tensor_.set_leaf(leaf_);
    version_ = parameter_.version_;
  }
  return tensor_;
}

Parameter::Parameter(const Shape& shape, Init init) : shape_(shape), init_(init) {}

void Parameter::allocate(Device& device, DType compute) {
  compute_ = shape_.dims() >= 2 ? compute : DType::f32;
  value_ = Tensor::empty(device, shape_, DType::f32, {Purpose::parameters, "master"});
  compute_copy_ = compute_ == DType::f32
                      ? value_
                      : Tensor::empty(device, shape_, compute_, {Purpose::parameters, "compute"});
  changed();
}

void Parameter::initialize(std::uint64_t seed) {
  if (!value_)
    throw Error(ErrorCode::invalid_argument, fmt::format("parameter '{}' has no memory yet", name_),
                "call allocate() first");
  const TensorView y = value_.view();
  Stream& stream = value_.stream();
  switch (init_.kind) {
    case Init::Kind::zeros:
      stream.submit(kernels::Fill{.y = y, .value = 0.0});
      break;
    case Init::Kind::ones:
      stream.submit(kernels::Fill{.y = y, .value = 1.0});
      break;
    case Init::Kind::normal:
      stream.submit(kernels::FillNormal{
          .y = y, .key = random_key(seed, "init", name_), .mean = 0.0f, .stddev = init_.stddev});
      break;
  }
  changed();
}

const Tensor& Parameter::compute_value() {
  if (!value_)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("parameter '{}' is used before it has values", name_),
                "call nn::materialize(model, device, ...) first");
  if (compute_ != DType::f32 && copied_version_ != version_)
    value_.stream().submit(kernels::Copy{.x = value_.view(), .y = compute_copy_.view()});
  copied_version_ = version_;
  return compute_copy_;
}

std::shared_ptr<ParameterUse> Parameter::add_use() {
  uses_.push_back(std::make_shared<ParameterUse>(*this));
  return uses_.back();
}

}  // namespace gigatrain
