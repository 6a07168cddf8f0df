// What the trainer needs of a model: a loss of a batch. A network that is no model yet becomes one
// by a head (heads.h) or by a class with the one function `loss`.
#pragma once

#include <span>

#include "gigatrain/nn/batch.h"
#include "gigatrain/nn/layer.h"

namespace gigatrain::nn {

// What a model accepts in an integer field; checked on the host before a step.
struct IdRange {
  std::string field;
  std::int64_t lowest = 0, below = 0;  // lowest <= id < below
};

class Model : public Layer {
 public:
  // scale * sum of the batch's loss terms, a scalar f32. The trainer's scale is 1 / the step's
  // number of terms, so that micro-batches add up to the mean of the whole batch.
  virtual Tensor loss(const Batch& batch, double scale, BatchContext& context) = 0;
  // The output that a metric looks at: logits, values. Throws Error(unsupported) by default.
  virtual Tensor predict(const Batch& batch, BatchContext& context);

  // Throws Error(invalid_argument) if data with these fields cannot be learned from.
  virtual void check_fields(std::span<const FieldSpec> fields) const;
  virtual std::vector<IdRange> id_ranges() const { return {}; }
  // config.json of checkpoints; Hugging Face's where there is such an architecture.
  virtual std::string hf_config() const { return R"({"model_type":"custom"})"; }
};

// The field of this name, or Error(invalid_argument) that lists those there are.
const FieldSpec& find_field(std::span<const FieldSpec> fields, std::string_view name);

}  // namespace gigatrain::nn
