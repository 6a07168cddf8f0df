#include "ops/broadcast.h"

#include <fmt/format.h>

#include <algorithm>

#include "gigatrain/ops/ops.h"
#include "ops/checks.h"

namespace gigatrain::ops {

Shape broadcast_shape(const char* op, const Shape& a, const Shape& b) {
  const int dims = std::max(a.dims(), b.dims());
  Shape out;
  for (int i = 0; i < dims; ++i) {
    const int ia = i - (dims - a.dims()), ib = i - (dims - b.dims());
    const std::int64_t sa = ia < 0 ? 1 : a[ia], sb = ib < 0 ? 1 : b[ib];
    require(sa == sb || sa == 1 || sb == 1, op,
            fmt::format("shapes {} and {} do not broadcast: {} against {} in dim {}", a.str(),
                        b.str(), sa, sb, i));
    out.push_back(sa == 1 ? sb : sa);
  }
  return out;
}

TensorView broadcast_to(const TensorView& x, const Shape& shape) {
  TensorView v = x;
  v.shape = shape;
  v.strides = {};
  const int shift = shape.dims() - x.shape.dims();
  for (int i = 0; i < x.shape.dims(); ++i) {
    const auto from = static_cast<std::size_t>(i), to = static_cast<std::size_t>(i + shift);
    v.strides[to] = x.shape[i] == 1 ? 0 : x.strides[from];
  }
  return v;
}

Tensor reduce_to(const Tensor& gradient, const Shape& shape) {
  if (gradient.shape() == shape) return gradient;
  std::vector<int> dims;
  const int shift = gradient.shape().dims() - shape.dims();
  for (int i = 0; i < gradient.shape().dims(); ++i)
    if (i < shift || (shape[i - shift] == 1 && gradient.shape()[i] != 1)) dims.push_back(i);
  return reshape(sum(gradient, dims), shape);
}

}  // namespace gigatrain::ops
