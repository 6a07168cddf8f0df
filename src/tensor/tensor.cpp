#include "gigatrain/tensor/tensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "gigatrain/base/error.h"
#include "gigatrain/tensor/node.h"
#include "kernels/elementwise.h"

namespace gigatrain {

Tensor Tensor::empty(Device& device, const Shape& shape, DType dtype, BlockName name) {
  Tensor t;
  t.impl_ = std::make_shared<Impl>();
  t.impl_->device = &device;
  t.impl_->storage = Storage(device.allocator(), shape.numel() * size_of(dtype), name);
  t.impl_->view = TensorView(t.impl_->storage.data(), dtype, shape);
  return t;
}

namespace {

// The whole numbers of an integer dtype that a double can say; [low, high).
void check_whole(double value, DType dtype) {
  const double bits = dtype == DType::u8 ? 8 : dtype == DType::i32 ? 31 : 63;
  const double high = std::ldexp(1.0, static_cast<int>(bits)), low = dtype == DType::u8 ? 0 : -high;
  if (value == std::floor(value) && value >= low && value < high) return;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{} is no value of dtype {}", value, gigatrain::name(dtype)),
              "give a whole number in its range, or a floating dtype");
}

}  // namespace

Tensor Tensor::full(Device& device, const Shape& shape, double value, DType dtype, BlockName name) {
  if (!is_floating(dtype)) check_whole(value, dtype);
  Tensor t = empty(device, shape, dtype, name);
  device.stream().submit(kernels::Fill{.y = t.view(), .value = value});
  return t;
}

template <class T>
Tensor Tensor::from(Device& device, const Shape& shape, std::span<const T> values, BlockName name) {
  if (static_cast<std::int64_t>(values.size()) != shape.numel())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a tensor of shape {} takes {} values, got {}", shape.str(),
                            shape.numel(), values.size()));
  Tensor t = empty(device, shape, dtype_of<T>::value, name);
  device.upload(t.view().data, values.data(), t.view().bytes());
  return t;
}

Tensor Tensor::wrap(Device& device, Storage storage, const TensorView& view) {
  Tensor t;
  t.impl_ = std::make_shared<Impl>();
  t.impl_->device = &device;
  t.impl_->storage = std::move(storage);
  t.impl_->view = view;
  return t;
}

Tensor Tensor::alias(const TensorView& view) const {
  Tensor t;
  t.impl_ = std::make_shared<Impl>();
  t.impl_->device = impl_->device;
  t.impl_->storage = impl_->storage;
  t.impl_->view = view;
  return t;
}

Tensor& Tensor::set_leaf(std::shared_ptr<GradLeaf> leaf) {
  impl_->leaf = std::move(leaf);
  return *this;
}

Tensor& Tensor::set_source(std::shared_ptr<TensorSource> source) {
  impl_->source = std::move(source);
  return *this;
}

Tensor Tensor::without_memory() const {
  Tensor t;
  t.impl_ = std::make_shared<Impl>();
  t.impl_->device = impl_->device;
  t.impl_->view = TensorView(nullptr, dtype(), shape());
  t.impl_->source = impl_->source;
  return t;
}

Tensor& Tensor::require_grad() {
  return set_leaf(std::make_shared<GradLeaf>());
}

namespace {

template <class From, class To>
std::vector<To> convert(const Tensor& t) {
  std::vector<To> out(static_cast<std::size_t>(t.numel()));
  std::vector<From> downloaded;
  const From* p = t.view().as<From>();
  if (!t.device().host_memory()) {
    downloaded.resize(out.size());
    t.device().download(downloaded.data(), p, t.view().bytes());
    p = downloaded.data();
  }
  for (auto& value : out) {
    if constexpr (std::is_same_v<From, bf16> || std::is_same_v<From, f16>)
      value = static_cast<To>(static_cast<float>(*p++));
    else
      value = static_cast<To>(*p++);
  }
  return out;
}

Tensor contiguous_copy(const Tensor& t) {
  if (t.view().is_contiguous()) return t;
  Tensor c = Tensor::empty(t.device(), t.shape(), t.dtype(), {Purpose::workspace, "to_vector"});
  t.stream().submit(kernels::Copy{.x = t.view(), .y = c.view()});
  return c;
}

}  // namespace

template <class T>
std::vector<T> Tensor::to_vector() const {
  const Tensor c = contiguous_copy(*this);
  switch (dtype()) {
    case DType::f32:
      return convert<float, T>(c);
    case DType::f64:
      return convert<double, T>(c);
    case DType::bf16:
      return convert<bf16, T>(c);
    case DType::f16:
      return convert<f16, T>(c);
    case DType::i32:
      return convert<std::int32_t, T>(c);
    case DType::i64:
      return convert<std::int64_t, T>(c);
    case DType::u8:
      return convert<std::uint8_t, T>(c);
  }
  return {};
}

double Tensor::item() const {
  if (numel() != 1)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("item() needs a tensor of one element, got shape {}", shape().str()));
  return to_vector<double>().front();
}

Tensor Tensor::to(Device& device) const {
  if (&device == &this->device()) return *this;
  const Tensor c = contiguous_copy(*this);
  Tensor t = empty(device, shape(), dtype(), {Purpose::data, "to"});
  const auto bytes = c.view().bytes();
  if (c.device().host_memory()) {
    device.upload(t.view().data, c.view().data, bytes);
  } else {
    std::vector<std::byte> host(static_cast<std::size_t>(bytes));
    c.device().download(host.data(), c.view().data, bytes);
    device.upload(t.view().data, host.data(), bytes);
  }
  return t;
}

void Tensor::assign(const Tensor& from) const {
  if (!(from.shape() == shape()))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("assign() needs values of shape {}, got {}", shape().str(),
                            from.shape().str()));
  const Tensor near = from.to(device());
  stream().submit(kernels::Copy{.x = near.view(), .y = view()});
}

template Tensor Tensor::from(Device&, const Shape&, std::span<const float>, BlockName);
template Tensor Tensor::from(Device&, const Shape&, std::span<const double>, BlockName);
template Tensor Tensor::from(Device&, const Shape&, std::span<const bf16>, BlockName);
template Tensor Tensor::from(Device&, const Shape&, std::span<const f16>, BlockName);
template Tensor Tensor::from(Device&, const Shape&, std::span<const std::int32_t>, BlockName);
template Tensor Tensor::from(Device&, const Shape&, std::span<const std::int64_t>, BlockName);
template Tensor Tensor::from(Device&, const Shape&, std::span<const std::uint8_t>, BlockName);
template std::vector<float> Tensor::to_vector() const;
template std::vector<double> Tensor::to_vector() const;
template std::vector<std::int32_t> Tensor::to_vector() const;
template std::vector<std::int64_t> Tensor::to_vector() const;

}  // namespace gigatrain
