// Stochastic gradient descent with momentum, heavy-ball or Nesterov's: Sutskever et al., "On the
// importance of initialization and momentum in deep learning", ICML 2013, in the form of
// torch.optim.SGD with dampening 0.
#pragma once

#include <memory>

#include "gigatrain/optim/optimizer.h"

namespace gigatrain::optim {

struct SgdOptions {
  float momentum = 0.9f;  // 0: none, and no state
  bool nesterov = false;
  float weight_decay = 0.0f;  // for the two default groups
  // false: decay is added to the gradient (L2), hence part of the momentum, as in torch.optim.SGD;
  // true: the weight itself decays, w -= lr decay w, as in AdamW.
  bool decoupled = false;
  std::uint64_t seed = 0;  // of stochastic rounding, for weights without an f32 master
};

// State: "<parameter>.momentum_buffer".
class Sgd : public Optimizer {
 public:
  // Matrices decay, vectors do not.
  explicit Sgd(const std::vector<Parameter*>& parameters, const SgdOptions& options = {});
  // Groups of your own; options.weight_decay is not used.
  Sgd(const std::vector<ParameterGroup>& groups, const SgdOptions& options);
  ~Sgd() override;

  void step(const StepOptions& options) override;
  std::vector<NamedState> state() override;
  const char* name() const override { return "sgd"; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gigatrain::optim
