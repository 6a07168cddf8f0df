#include "gigatrain/optim/adamw.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "gigatrain/base/error.h"
#include "kernels/adamw.h"

namespace gigatrain::optim {

std::vector<ParameterGroup> decay_groups(const std::vector<Parameter*>& parameters,
                                         float weight_decay) {
  std::vector<ParameterGroup> groups(2);
  groups[0].weight_decay = weight_decay;
  for (auto* p : parameters) groups[p->decays() ? 0 : 1].parameters.push_back(p);
  return groups;
}

struct AdamW::Impl {
  struct Slot {
    Parameter* parameter;
    float lr_scale, weight_decay;
    Tensor exp_avg, exp_avg_sq;
    PhiloxKey rounding;
  };
  AdamWOptions options;
  std::vector<Slot> slots;  // in name order
  std::vector<kernels::AdamWTensor> arguments;
  Tensor scalars;  // kernels::AdamWScalars, in the device's memory

  void add(Parameter* p, const ParameterGroup& group) {
    require_trainable(*p);
    if (!p->value())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("parameter '{}' has no memory yet", p->name()),
                  "call nn::materialize(model, device, ...) before making the optimizer");
    const auto zeros = [&](const char* what) {
      return Tensor::full(p->value().device(), p->shape(), 0.0, DType::f32,
                          {Purpose::optimizer, what});
    };
    slots.push_back({p, group.lr_scale, group.weight_decay, zeros("exp_avg"), zeros("exp_avg_sq"),
                     random_key(options.seed, "round", p->name())});
  }

  void gather_arguments() {
    arguments.clear();
    for (const auto& s : slots) {
      if (!s.parameter->grad)
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("parameter '{}' has no gradient", s.parameter->name()),
                    "run backward() and collect_gradients() before step()");
      const Tensor& value = s.parameter->value();
      const bool master = value.dtype() == DType::f32;
      arguments.push_back({.weight = master ? value.view().as<float>() : nullptr,
                           .grad = s.parameter->grad.view().as<float>(),
                           .exp_avg = s.exp_avg.view().as<float>(),
                           .exp_avg_sq = s.exp_avg_sq.view().as<float>(),
                           .compute = s.parameter->compute_copy(),
                           .rounding = s.rounding,
                           .numel = value.numel(),
                           .lr_scale = s.lr_scale,
                           .weight_decay = s.weight_decay});
    }
  }
};

AdamW::AdamW(const std::vector<Parameter*>& parameters, const AdamWOptions& options)
    : AdamW(decay_groups(parameters, options.weight_decay), options) {}

AdamW::AdamW(std::vector<ParameterGroup> groups, const AdamWOptions& options)
    : impl_(std::make_unique<Impl>()) {
  impl_->options = options;
  for (const auto& group : groups)
    for (auto* p : group.parameters) impl_->add(p, group);
  std::sort(impl_->slots.begin(), impl_->slots.end(),
            [](const auto& a, const auto& b) { return a.parameter->name() < b.parameter->name(); });
}

AdamW::~AdamW() = default;

void AdamW::step(const StepOptions& o) {
  Impl& m = *impl_;
  if (m.slots.empty()) return;
  const auto correction = [&](float beta) {
    return static_cast<float>(
        1.0 / (1.0 - std::pow(static_cast<double>(beta), static_cast<double>(o.step))));
  };
  const kernels::AdamWScalars scalars{.lr = o.lr,
                                      .correction1 = correction(m.options.beta1),
                                      .correction2 = correction(m.options.beta2),
                                      .step = static_cast<std::uint32_t>(o.step)};
  m.gather_arguments();
  Device& device = m.slots.front().parameter->value().device();
  if (!m.scalars)
    m.scalars = Tensor::empty(device, {sizeof scalars / sizeof(float)}, DType::f32,
                              {Purpose::optimizer, "scalars"});
  device.upload(m.scalars.view().data, &scalars, sizeof scalars);
  device.stream().submit(kernels::AdamW{.tensors = m.arguments.data(),
                                        .count = static_cast<std::int64_t>(m.arguments.size()),
                                        .scalars = m.scalars.view().as<kernels::AdamWScalars>(),
                                        .clip = o.clip ? o.clip.view().as<double>() : nullptr,
                                        .beta1 = m.options.beta1,
                                        .beta2 = m.options.beta2,
                                        .eps = m.options.eps});
  for (auto& s : m.slots) s.parameter->changed(/*compute_copy_too=*/true);
}

std::vector<NamedState> AdamW::state() {
  std::vector<NamedState> out;
  for (auto& s : impl_->slots) {
    out.push_back({s.parameter->name() + ".exp_avg", s.exp_avg});
    out.push_back({s.parameter->name() + ".exp_avg_sq", s.exp_avg_sq});
  }
  return out;
}

}  // namespace gigatrain::optim
