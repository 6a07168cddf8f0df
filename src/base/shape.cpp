#include "gigatrain/base/shape.h"

#include <fmt/format.h>

#include "gigatrain/base/dtype.h"
#include "gigatrain/base/error.h"

namespace gigatrain {

Shape::Shape(std::initializer_list<std::int64_t> sizes) {
  for (const auto size : sizes) push_back(size);
}

void Shape::push_back(std::int64_t size) {
  if (size < 0)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a size must not be negative, got {} in dim {}", size, dims_));
  if (dims_ == kMaxDims)
    throw Error(ErrorCode::invalid_argument, fmt::format("at most {} dims", kMaxDims));
  sizes_[static_cast<std::size_t>(dims_++)] = size;
}

std::int64_t Shape::numel() const {
  std::int64_t n = 1;
  for (int i = 0; i < dims_; ++i) n *= sizes_[static_cast<std::size_t>(i)];
  return n;
}

std::string Shape::str() const {
  std::string text = "(";
  for (int i = 0; i < dims_; ++i)
    text += fmt::format("{}{}", i ? ", " : "", sizes_[static_cast<std::size_t>(i)]);
  return text + ")";
}

Strides contiguous_strides(const Shape& shape) {
  Strides strides{};
  std::int64_t step = 1;
  for (int i = shape.dims() - 1; i >= 0; --i) {
    strides[static_cast<std::size_t>(i)] = step;
    step *= shape[i];
  }
  return strides;
}

const char* name(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "f32";
    case DType::f64:
      return "f64";
    case DType::bf16:
      return "bf16";
    case DType::f16:
      return "f16";
    case DType::i32:
      return "i32";
    case DType::i64:
      return "i64";
    case DType::u8:
      return "u8";
  }
  return "?";
}

DType parse_dtype(std::string_view text) {
  for (const auto d :
       {DType::f32, DType::f64, DType::bf16, DType::f16, DType::i32, DType::i64, DType::u8})
    if (text == name(d)) return d;
  throw Error(
      ErrorCode::invalid_argument,
      fmt::format("unknown dtype '{}': expected one of f32, f64, bf16, f16, i32, i64, u8", text));
}

}  // namespace gigatrain
