#include "gigatrain/optim/sgd.h"

#include "gigatrain/base/error.h"
#include "optim/updater.h"

namespace gigatrain::optim {

struct Sgd::Impl {
  Updater<kernels::SgdRule> updater;
};

namespace {

const SgdOptions& checked(const SgdOptions& o) {
  if (o.nesterov && o.momentum == 0.0f)
    throw Error(ErrorCode::invalid_argument, "Nesterov's form needs a momentum above 0, got 0",
                "give a momentum, e.g. 0.9, or nesterov = false");
  return o;
}

}  // namespace

Sgd::Sgd(const std::vector<Parameter*>& parameters, const SgdOptions& options)
    : Sgd(decay_groups(parameters, options.weight_decay), options) {}

Sgd::Sgd(const std::vector<ParameterGroup>& groups, const SgdOptions& options) {
  const SgdOptions& o = checked(options);
  const kernels::SgdRule rule{
      .momentum = o.momentum, .nesterov = o.nesterov, .decoupled = o.decoupled};
  const char* buffer = o.momentum != 0.0f ? "momentum_buffer" : nullptr;
  impl_ = std::make_unique<Impl>(Impl{{groups, rule, {.exp_avg = buffer}, o.seed}});
}

Sgd::~Sgd() = default;

void Sgd::step(const StepOptions& options) {
  impl_->updater.step(options);
}

std::vector<NamedState> Sgd::state() {
  return impl_->updater.state();
}

}  // namespace gigatrain::optim
