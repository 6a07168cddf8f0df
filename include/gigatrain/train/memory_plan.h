// How much memory a run will take, by purpose, from the sizes alone.
#pragma once

#include <cstdint>

#include "gigatrain/base/dtype.h"
#include "gigatrain/nn/models/gpt.h"
#include "gigatrain/train/gradient_step.h"

namespace gigatrain {

struct MemoryPlan {
  std::int64_t parameters = 0;  // f32 masters, and copies in the compute dtype
  std::int64_t optimizer = 0;
  std::int64_t gradients = 0;    // partial sums of the tree: log2(leaves) + 1 at the peak
  std::int64_t activations = 0;  // kept for the backward of one micro-batch
  std::int64_t workspace = 0;    // logits of a chunk of rows
  std::int64_t total() const {
    return parameters + optimizer + gradients + activations + workspace;
  }
};

MemoryPlan plan_memory(const nn::GptConfig& model, const BatchShape& batch, DType compute);

}  // namespace gigatrain
