#include "gigatrain/optim/adamw.h"

#include "optim/updater.h"

namespace gigatrain::optim {

std::vector<ParameterGroup> decay_groups(const std::vector<Parameter*>& parameters,
                                         float weight_decay) {
  std::vector<ParameterGroup> groups(2);
  groups[0].weight_decay = weight_decay;
  for (auto* p : parameters) groups[p->decays() ? 0 : 1].parameters.push_back(p);
  return groups;
}

struct AdamW::Impl {
  AdamWOptions options;
  Updater<kernels::AdamWRule> updater;
};

AdamW::AdamW(const std::vector<Parameter*>& parameters, const AdamWOptions& options)
    : AdamW(decay_groups(parameters, options.weight_decay), options) {}

AdamW::AdamW(const std::vector<ParameterGroup>& groups, const AdamWOptions& o)
    : impl_(std::make_unique<Impl>(Impl{o,
                                        {groups,
                                         {.beta1 = o.beta1, .beta2 = o.beta2, .eps = o.eps},
                                         {.exp_avg = "exp_avg", .exp_avg_sq = "exp_avg_sq"},
                                         o.seed}})) {}

AdamW::~AdamW() = default;

void AdamW::step(const StepOptions& o) {
  impl_->updater.step(o, bias_correction(impl_->options.beta1, o.step),
                      bias_correction(impl_->options.beta2, o.step));
}

std::vector<NamedState> AdamW::state() {
  return impl_->updater.state();
}

}  // namespace gigatrain::optim
