// Deterministic test data.
#pragma once

#include <cmath>

#include <cstdint>
#include <string_view>
#include <vector>

#include "gigatrain/base/philox.h"
#include "gigatrain/tensor/tensor.h"

namespace gigatrain::test {

// n values in (-1, 1) that f32 holds exactly.
inline std::vector<double> random_values(std::int64_t n, std::string_view name) {
  const PhiloxKey key = random_key(7, "test", name);
  std::vector<double> out(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<double>(2.0f * to_uniform(philox_block(key, i, 0, 0)[i % 4]) - 1.0f);
  return out;
}

inline Tensor tensor_of(Device& device, const Shape& shape, const std::vector<double>& values,
                        DType dtype) {
  if (dtype == DType::f64) return Tensor::from<double>(device, shape, values);
  if (dtype == DType::bf16) {
    std::vector<bf16> v;
    for (const double x : values) v.emplace_back(static_cast<float>(x));
    return Tensor::from<bf16>(device, shape, v);
  }
  if (dtype == DType::f16) {
    std::vector<f16> v;
    for (const double x : values) v.emplace_back(static_cast<float>(x));
    return Tensor::from<f16>(device, shape, v);
  }
  const std::vector<float> v(values.begin(), values.end());
  return Tensor::from<float>(device, shape, v);
}

inline Tensor random_tensor(Device& device, const Shape& shape, std::string_view name,
                            DType dtype = DType::f32) {
  return tensor_of(device, shape, random_values(shape.numel(), name), dtype);
}

// n token ids in [0, vocab).
inline std::vector<std::int32_t> random_ids(std::int64_t n, std::int64_t vocab,
                                            std::string_view name) {
  std::vector<std::int32_t> ids;
  for (const double x : random_values(n, name))
    ids.push_back(static_cast<std::int32_t>((x + 1) / 2 * static_cast<double>(vocab)));
  return ids;
}

inline Tensor random_tokens(Device& device, const Shape& shape, std::int64_t vocab,
                            std::string_view name) {
  return Tensor::from<std::int32_t>(device, shape, random_ids(shape.numel(), vocab, name));
}

// |a - b| / |b|, Euclidean norms; infinite when b is zero and a is not.
inline double relative_error(const std::vector<double>& a, const std::vector<double>& b) {
  double diff = 0, norm = 0;
  if (a.size() != b.size()) return INFINITY;
  for (std::size_t i = 0; i < a.size(); ++i) {
    diff += (a[i] - b[i]) * (a[i] - b[i]);
    norm += b[i] * b[i];
  }
  if (diff == 0) return 0;
  return std::sqrt(diff / norm);  // NaN and zero norms fail every comparison `<`
}

}  // namespace gigatrain::test
