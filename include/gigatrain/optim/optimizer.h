// Optimizers are pure updates over groups of parameters; they never mention ranks. Step-varying
// scalars (learning rate, clip factor, bias corrections) live in memory that the kernel reads.
#pragma once

#include <string>
#include <vector>

#include "gigatrain/tensor/parameter.h"

namespace gigatrain::optim {

// A named piece of the training state: a weight, or "<parameter>.exp_avg".
struct NamedState {
  std::string name = {};
  Tensor tensor = {};  // of shape `whole`; where ranks share it, the part that is own, flat
  Shape whole = {};
  bool shared = false;
  std::int64_t begin = 0;  // of the part: elements of the whole before it
};

NamedState weight_state(const Parameter& parameter);  // its own_value()

struct ParameterGroup {
  std::vector<Parameter*> parameters;
  float lr_scale = 1.0f;  // multiplies the step's learning rate
  float weight_decay = 0.0f;
};

// Two groups: matrices decay, vectors do not.
std::vector<ParameterGroup> decay_groups(const std::vector<Parameter*>& parameters,
                                         float weight_decay);

// Throws Error(invalid_argument) for a frozen parameter: an optimizer is given
// nn::trainable_parameters(model).
void require_trainable(const Parameter& parameter);

class Ema;

struct StepOptions {
  std::int64_t step = 1;  // counted from 1, for bias correction
  float lr = 0.0f;
  Tensor clip{};  // from clip_scale(): gradients are multiplied by its factor first; none: 1
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  // Reads each parameter's `grad` and updates its value.
  virtual void step(const StepOptions& options) = 0;
  // Views of live state, in name order, for checkpoints: loading writes into them.
  virtual std::vector<NamedState> state() = 0;
  virtual const char* name() const = 0;
  virtual Ema* ema() { return nullptr; }  // the average of the weights that it keeps, if it does
};

}  // namespace gigatrain::optim
