// Losses. Each returns scale * SUM over elements (or rows) as a scalar: f32, or f64 for f64 inputs,
// which run the composed definition (ops/composed.h). A sum, so that the gradients of micro-batches
// add up exactly: for the mean over a batch, pass scale = 1 / (elements, or rows that count, of the
// whole batch), which is known before the first micro-batch.
//
// The gradient to the prediction is made in the forward's pass. None goes to a target: one that
// requires a gradient is refused, with detach() named. Sums are f64 in fixed chunks and trees.
#pragma once

#include "gigatrain/tensor/tensor.h"

namespace gigatrain::ops {

// (x - target)^2. x any shape, f32, bf16, f16 or f64; target of x's shape, f32 or x's dtype.
Tensor mse_loss(const Tensor& x, const Tensor& target, double scale = 1.0);

// e^2 / 2 where |e| = |x - target| <= delta, else delta (|e| - delta / 2) (Huber 1964); delta > 0.
Tensor huber_loss(const Tensor& x, const Tensor& target, double delta = 1.0, double scale = 1.0);

// -(pos_weight t log sigmoid(x) + (1 - t) log(1 - sigmoid(x))) of logits x and targets t in [0, 1],
// from softplus, so that no logit overflows; pos_weight > 0 weighs the positives. A target out of
// range throws Error(data) on the CPU and gives NaN on a GPU.
Tensor binary_cross_entropy(const Tensor& logits, const Tensor& target, double scale = 1.0,
                            double pos_weight = 1.0);

struct CrossEntropyOptions {
  // eps in [0, 1): the target distribution is (1 - eps) one-hot + eps / V (arXiv:1512.00567).
  double label_smoothing = 0.0;
  // Adds z_loss * logsumexp(logits)^2 to each row that counts, >= 0: keeps logits from drifting
  // (PaLM, arXiv:2204.02311; ST-MoE, arXiv:2202.08906). 1e-4 is usual.
  double z_loss = 0.0;
};

// -log softmax(logits)[target]. logits (..., V) f32, bf16, f16 or f64; targets (N) or the leading
// shape of logits, i32 in [0, V) or -1 (ignored: no loss, no gradient). A target out of range
// throws Error(data) on the CPU and gives NaN on a GPU.
Tensor cross_entropy(const Tensor& logits, const Tensor& targets, double scale = 1.0,
                     const CrossEntropyOptions& options = {});

// cross_entropy(x weight^T, targets) without ever holding the (N, V) logits: chunks of rows, the
// gradient made in the same pass. x (..., C) f32, bf16 or f16; weight (V, C).
Tensor linear_cross_entropy(const Tensor& x, const Tensor& weight, const Tensor& targets,
                            double scale = 1.0, const CrossEntropyOptions& options = {});

}  // namespace gigatrain::ops
