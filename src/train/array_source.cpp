#include "gigatrain/train/array_source.h"

#include <fmt/format.h>

#include <cstring>

#include "gigatrain/base/error.h"
#include "gigatrain/base/hash.h"
#include "gigatrain/train/token_source.h"
#include "train/field_values.h"

namespace gigatrain {

template <class T>
NamedArray array(std::string name, const Shape& shape, std::vector<T> values) {
  if (static_cast<std::int64_t>(values.size()) != shape.numel())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("array '{}' of shape {} takes {} values, got {}", name, shape.str(),
                            shape.numel(), values.size()));
  auto owner = std::make_shared<const std::vector<T>>(std::move(values));
  const void* data = owner->data();
  return {std::move(name), dtype_of<T>::value, shape, data, std::move(owner)};
}
template NamedArray array(std::string, const Shape&, std::vector<float>);
template NamedArray array(std::string, const Shape&, std::vector<double>);
template NamedArray array(std::string, const Shape&, std::vector<bf16>);
template NamedArray array(std::string, const Shape&, std::vector<std::int32_t>);
template NamedArray array(std::string, const Shape&, std::vector<std::int64_t>);
template NamedArray array(std::string, const Shape&, std::vector<std::uint8_t>);

namespace {

nn::FieldSpec spec_of(const NamedArray& a, std::int64_t samples) {
  const auto require = [&](bool ok, const std::string& what) {
    if (!ok) throw Error(ErrorCode::invalid_argument, fmt::format("array '{}' {}", a.name, what));
  };
  require(a.shape.dims() >= 1 && a.shape[0] >= 1 && a.data != nullptr,
          fmt::format("must hold at least one sample, got shape {}", a.shape.str()));
  require(
      a.shape[0] == samples,
      fmt::format("must have as many samples as the first array, {}, got {}", samples, a.shape[0]));
  nn::FieldSpec spec{.name = a.name, .dtype = a.dtype};
  for (int i = 1; i < a.shape.dims(); ++i) spec.shape.push_back(a.shape[i]);
  return spec;
}

std::string identity(const NamedArray& a, std::int64_t bytes) {
  const std::string_view all(static_cast<const char*>(a.data), static_cast<std::size_t>(bytes));
  return fmt::format("{} {} {} {:016x}\n", a.name, name(a.dtype), a.shape.str(), hash64(all));
}

}  // namespace

ArraySource::ArraySource(std::vector<NamedArray> arrays, const ArraySourceOptions& options)
    : arrays_(std::move(arrays)), options_(options) {
  std::string all;
  for (const auto& a : arrays_) {
    if (fields_.empty()) samples_ = a.shape.dims() ? a.shape[0] : 0;
    fields_.push_back(spec_of(a, samples_));
    check_finite(fields_.back(), a.data, samples_, 0);
    all += identity(a, samples_ * fields_.back().bytes());
  }
  check_source(fields_, options.global_batch, options.terms);
  digest_ = hash64(all);
  key_ = random_key(options.seed, "data", fmt::format("{:016x}", digest_));
}

std::int64_t ArraySource::row(std::int64_t n) const {
  return permute(n % samples_, samples_, key_, n / samples_);
}

void ArraySource::copy_row(std::int64_t row, std::int64_t to, FieldPointers out) const {
  for (std::size_t f = 0; f < fields_.size(); ++f) {
    const std::int64_t bytes = fields_[f].bytes();
    std::memcpy(static_cast<std::byte*>(out[f]) + to * bytes,
                static_cast<const std::byte*>(arrays_[f].data) + row * bytes,
                static_cast<std::size_t>(bytes));
  }
}

void ArraySource::fill(std::int64_t step, std::int64_t first_sample, std::int64_t count,
                       FieldPointers out) const {
  check_request(step, first_sample, count);
  for (std::int64_t i = 0; i < count; ++i)
    copy_row(row(step * options_.global_batch + first_sample + i), i, out);
}

std::int64_t ArraySource::loss_terms(std::int64_t count, FieldPointers filled) const {
  return count_terms(fields_, options_.terms, count, filled);
}

void ArraySource::fill_eval(std::int64_t first_sample, std::int64_t count,
                            FieldPointers out) const {
  if (first_sample < 0 || count < 0 || first_sample > samples_ - count)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("there are samples [0, {}), asked for {} from {}", samples_, count,
                            first_sample));
  for (std::int64_t i = 0; i < count; ++i) copy_row(first_sample + i, i, out);
}

}  // namespace gigatrain
