#include "gigatrain/optim/lion.h"

#include "optim/updater.h"

namespace gigatrain::optim {

struct Lion::Impl {
  Updater<kernels::LionRule> updater;
};

Lion::Lion(const std::vector<Parameter*>& parameters, const LionOptions& options)
    : Lion(decay_groups(parameters, options.weight_decay), options) {}

Lion::Lion(const std::vector<ParameterGroup>& groups, const LionOptions& o)
    : impl_(std::make_unique<Impl>(
          Impl{{groups, {.beta1 = o.beta1, .beta2 = o.beta2}, {.exp_avg = "exp_avg"}, o.seed}})) {}

Lion::~Lion() = default;

void Lion::step(const StepOptions& options) {
  impl_->updater.step(options);
}

std::vector<NamedState> Lion::state() {
  return impl_->updater.state();
}

}  // namespace gigatrain::optim
