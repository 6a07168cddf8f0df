// Argument checks shared by the ops: one clear sentence that shows both sides.
#pragma once

#include <string_view>

#include "gigatrain/tensor/tensor.h"

namespace gigatrain::ops {

void require(bool ok, std::string_view op, const std::string& rule_and_facts);
void require_floating(std::string_view op, std::string_view what, const Tensor& x);
void require_activation(std::string_view op, std::string_view what,
                        const Tensor& x);  // f32 or bf16
void require_same_dtype(std::string_view op, const Tensor& a, const Tensor& b);
// `weight` has the dtype of the activations; or it is f32 beside bf16, which a CPU's kernels round
// as they read.
void require_weight(std::string_view op, DType activations, const Tensor& weight);
void require_shape(std::string_view op, std::string_view what, const Tensor& x,
                   const Shape& expected);
void require_dtype(std::string_view op, std::string_view what, const Tensor& x, DType expected);
int normalize_dim(std::string_view op, int dim, int dims);  // negative counts from the end

inline Tensor empty_like(const Tensor& x, const char* what) {
  return Tensor::empty(x.device(), x.shape(), x.dtype(), {Purpose::activations, what});
}

}  // namespace gigatrain::ops
