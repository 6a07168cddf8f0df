// Lion: Chen et al., "Symbolic Discovery of Optimization Algorithms", arXiv:2302.06675. Every
// weight moves by the learning rate or not at all, so it wants a rate 3 to 10 times smaller than
// AdamW's, and a decay as much larger. Half of AdamW's state.
#pragma once

#include <memory>

#include "gigatrain/optim/optimizer.h"

namespace gigatrain::optim {

struct LionOptions {
  float weight_decay = 0.1f;  // decoupled; for the two default groups
  float beta1 = 0.9f;         // of the mean whose sign is taken
  float beta2 = 0.99f;        // of the mean that is kept
  std::uint64_t seed = 0;     // of stochastic rounding, for weights without an f32 master
};

// State: "<parameter>.exp_avg".
class Lion : public Optimizer {
 public:
  // Matrices decay, vectors do not.
  explicit Lion(const std::vector<Parameter*>& parameters, const LionOptions& options = {});
  // Groups of your own; options.weight_decay is not used.
  Lion(const std::vector<ParameterGroup>& groups, const LionOptions& options);
  ~Lion() override;

  void step(const StepOptions& options) override;
  std::vector<NamedState> state() override;
  const char* name() const override { return "lion"; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gigatrain::optim
