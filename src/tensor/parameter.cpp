#include "gigatrain/tensor/parameter.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "gigatrain/base/error.h"
#include "gigatrain/tensor/anomaly.h"
#include "gigatrain/tensor/parameter_pack.h"
#include "kernels/elementwise.h"
#include "kernels/random.h"
#include "tensor/fetched.h"
#include "tensor/rows.h"

namespace gigatrain {

ParameterUse::ParameterUse(Parameter& parameter)
    : parameter_(parameter), leaf_(std::make_shared<GradLeaf>()) {}

ParameterUse::ParameterUse(Parameter& parameter, std::shared_ptr<GradLeaf> pack,
                           std::int64_t first_row)
    : parameter_(parameter), leaf_(std::move(pack)), first_row_(first_row) {}

Tensor ParameterUse::tensor() {
  return connected(/*master=*/false);
}

Tensor ParameterUse::operand() {
  return connected(parameter_.rounded_when_read());
}

Tensor ParameterUse::connected(bool master) {
  if (first_row_ >= 0)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("parameter '{}' is used as part of a pack", parameter_.name()),
                "use the pack's tensor(), or a use of its own: add_use()");
  const Tensor whole = leaf_->weights
                           ? fetched(leaf_, parameter_.requires_grad_)
                           : kept(master ? parameter_.value_ : parameter_.compute_value());
  if (diagnostics().anomaly) {
    leaf_->owner = parameter_.name_;
    anomaly::check_weight(parameter_.name_, whole);
  }
  return whole;
}

// One tensor as long as nothing changes.
const Tensor& ParameterUse::kept(const Tensor& value) {
  const bool wanted = parameter_.requires_grad_;
  if (!tensor_ || version_ != parameter_.version_ || tensor_.requires_grad() != wanted ||
      !tensor_.same_storage(value)) {
    tensor_ = value.detach();
    if (wanted) tensor_.set_leaf(leaf_);
    version_ = parameter_.version_;
  }
  return tensor_;
}

Tensor ParameterUse::gradient() const {
  return leaf_->filled ? part_of(leaf_->gradient) : Tensor{};
}

Tensor ParameterUse::part_of(const Tensor& gradient) const {
  return first_row_ < 0 || !gradient ? gradient
                                     : rows_of(gradient, first_row_, parameter_.shape()[0]);
}

Parameter::Parameter(const Shape& shape, Init init) : shape_(shape), init_(init) {}

void Parameter::set_parts(int dim, std::vector<std::int64_t> sizes) {
  const bool inside = dim >= 0 && dim < shape_.dims();
  if (!inside || std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0}) != shape_[dim] ||
      std::any_of(sizes.begin(), sizes.end(), [](std::int64_t size) { return size < 1; }))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the parts of '{}' must be positive and add up to its dim {}, got {} "
                            "in shape {}",
                            name_, dim, fmt::join(sizes, " + "), shape_.str()));
  parts_dim_ = dim;
  parts_ = std::move(sizes);
}

void Parameter::allocate(Device& device, DType compute, DType master) {
  const bool matrix = shape_.dims() >= 2;
  compute_ = matrix ? compute : DType::f32;
  const DType dtype = matrix ? master : DType::f32;
  if (dtype == DType::f16 || (dtype != DType::f32 && dtype != compute_))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the master of '{}' must be f32, or bf16 as its compute dtype, got {} "
                            "beside {}",
                            name_, gigatrain::name(dtype), gigatrain::name(compute_)));
  if (place_.copy) place_.copy->drop();
  value_ = memory(place_.master, device, dtype, "master");
  compute_copy_ = compute_ == dtype ? value_ : Tensor{};
  changed();
}

Tensor Parameter::memory(const std::shared_ptr<PackedBlock>& pack, Device& device, DType dtype,
                         const char* what) const {
  const BlockName block{Purpose::parameters, what};
  return pack ? pack->place(place_.member, device, dtype, block)
              : Tensor::empty(device, shape_, dtype, block);
}

bool Parameter::rounded_when_read() const {
  return value_ && value_.dtype() == DType::f32 && compute_ == DType::bf16 &&
         value_.device().is_cpu();
}

void Parameter::join(Place place, std::shared_ptr<ParameterUse> use) {
  if (place_.master)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("parameter '{}' is in a pack already", name_));
  place_ = std::move(place);
  uses_.push_back(std::move(use));
}

void Parameter::require_memory() const {
  if (!value_)
    throw Error(ErrorCode::invalid_argument, fmt::format("parameter '{}' has no memory yet", name_),
                "call allocate() first");
}

void Parameter::set_share(Share share) {
  share_ = std::move(share);
  value_ = {};
  compute_copy_ = {};
  if (place_.master) {
    place_.master->drop();
    place_.copy->drop();
  }
}

void Parameter::refresh_own_copy() {
  const Tensor copy = own_copy();
  if (copied_version_ == version_) return;
  if (copy && copy.numel() > 0 && !copy.same_storage(own_value()))
    copy.stream().submit(kernels::Copy{.x = own_value().view(), .y = copy.view()});
  copied_version_ = version_;
}

void Parameter::initialize(std::uint64_t seed) {
  require_memory();
  Stream& stream = value_.stream();
  if (init_.kind == Init::Kind::normal)
    draw_normal(random_key(seed, "init", name_));
  else
    stream.submit(
        kernels::Fill{.y = value_.view(), .value = init_.kind == Init::Kind::ones ? 1.0 : 0.0});
  changed();
}

void Parameter::assign(const Tensor& values) {
  require_memory();
  value_.assign(values);
  changed();
}

Tensor Parameter::exchange_value(Tensor value) {
  const Tensor& own = own_value();
  if (!own || !(value.shape() == own.shape()) || value.dtype() != own.dtype())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("'{}' can only take a value of its own shape {} and dtype", name_,
                            own ? own.shape().str() : shape_.str()));
  settle_weights(*this);
  const auto copy = [&](const Tensor& from, const Tensor& to) {
    own.stream().submit(kernels::Copy{.x = from.view(), .y = to.view()});
  };
  const Tensor before =
      Tensor::empty(own.device(), own.shape(), own.dtype(), {Purpose::workspace, "exchange"});
  copy(own, before);
  copy(value, own);
  copy(before, value);
  changed();
  return value;
}

// Made by the CPU in f32, so that a model starts from the same bits on every device.
void Parameter::draw_normal(PhiloxKey key) {
  Device& device = value_.device();
  const auto fill = [&](const Tensor& y) {
    run(y.stream().cpu(),
        kernels::FillNormal{.y = y.view(), .key = key, .mean = 0.0f, .stddev = init_.stddev});
  };
  if (device.is_cpu() && value_.dtype() == DType::f32) return fill(value_);
  const BlockName name{Purpose::workspace, "initial values"};
  Device& host = device.host();
  Tensor made = Tensor::empty(host, shape_, DType::f32, name);
  fill(made);
  if (value_.dtype() != DType::f32) {
    const Tensor rounded = Tensor::empty(host, shape_, value_.dtype(), name);
    host.stream().submit(kernels::Copy{.x = made.view(), .y = rounded.view()});
    made = rounded;
  }
  device.upload(value_.view().data, made.view().data, made.view().bytes());
}

const Tensor& Parameter::compute_value() {
  if (share_)
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("parameter '{}' is a part that ranks shared, and they have gone", name_),
        "compute with the model while its DataParallel lives; keep what was learned with "
        "save_state()");
  if (!value_)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("parameter '{}' is used before it has values", name_),
                "call nn::materialize(model, device, ...) first");
  if (!compute_copy_) {
    compute_copy_ = memory(place_.copy, value_.device(), compute_, "compute");
    copied_version_ = 0;
  }
  if (compute_ != value_.dtype() && copied_version_ != version_)
    value_.stream().submit(kernels::Copy{.x = value_.view(), .y = compute_copy_.view()});
  copied_version_ = version_;
  return compute_copy_;
}

std::shared_ptr<ParameterUse> Parameter::add_use() {
  uses_.push_back(std::make_shared<ParameterUse>(*this));
  return uses_.back();
}

}  // namespace gigatrain
