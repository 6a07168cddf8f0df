// AdamW: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", arXiv:1711.05101.
#pragma once

#include <memory>

#include "gigatrain/optim/optimizer.h"

namespace gigatrain::optim {

struct AdamWOptions {
  float weight_decay = 0.1f;  // e.g. 0.1; for the two default groups
  float beta1 = 0.9f;
  float beta2 = 0.95f;
  float eps = 1e-8f;
  std::uint64_t seed = 0;  // of stochastic rounding, for weights without an f32 master
};

class AdamW : public Optimizer {
 public:
  // Matrices decay, vectors do not.
  explicit AdamW(const std::vector<Parameter*>& parameters, const AdamWOptions& options = {});
  // Groups of your own; options.weight_decay is not used.
  AdamW(const std::vector<ParameterGroup>& groups, const AdamWOptions& options);
  ~AdamW() override;

  void step(const StepOptions& options) override;
  std::vector<NamedState> state() override;
  const char* name() const override { return "adamw"; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gigatrain::optim
