// All that a kernel ever sees of a tensor: a typed, strided, non-owning window on memory.
#pragma once

#include "gigatrain/base/dtype.h"
#include "gigatrain/base/shape.h"

namespace gigatrain {

struct TensorView {
  void* data = nullptr;
  DType dtype = DType::f32;
  Shape shape;
  Strides strides{};  // in elements

  TensorView() = default;
  TensorView(void* data_, DType dtype_, const Shape& shape_)
      : data(data_), dtype(dtype_), shape(shape_), strides(contiguous_strides(shape_)) {}

  explicit operator bool() const { return data != nullptr; }
  std::int64_t numel() const { return shape.numel(); }
  std::int64_t bytes() const { return numel() * size_of(dtype); }
  std::int64_t cols() const { return shape.dims() ? shape[-1] : 1; }   // last dim
  std::int64_t rows() const { return cols() ? numel() / cols() : 0; }  // all the others
  bool is_contiguous() const { return strides_match(contiguous_strides(shape)); }

  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }

 private:
  bool strides_match(const Strides& other) const {
    for (int i = 0; i < shape.dims(); ++i)
      if (shape[i] != 1 &&
          strides[static_cast<std::size_t>(i)] != other[static_cast<std::size_t>(i)])
        return false;
    return true;
  }
};

}  // namespace gigatrain
