// What optimizers share: the parameters of their groups in name order, checked; and for rules that
// go element by element (kernels/update.h) the whole of it: state, scalars, launch.
#pragma once

#include <string>
#include <vector>

#include "gigatrain/optim/optimizer.h"
#include "kernels/update.h"

namespace gigatrain::optim {

// A parameter with its group's settings.
struct Slot {
  Parameter* parameter;
  float lr_scale, weight_decay;
  PhiloxKey rounding;  // of stochastic rounding
  bool shared;         // the parameter, when the optimizer was made
};

// In name order. Throws Error(invalid_argument) for a parameter that has no memory, is frozen or
// stands in two groups.
std::vector<Slot> make_slots(const std::vector<ParameterGroup>& groups, std::uint64_t seed);

// The groups' parameters for which keep(parameter), with their groups' settings.
template <class Keep>
std::vector<ParameterGroup> part_of(const std::vector<ParameterGroup>& groups, const Keep& keep) {
  std::vector<ParameterGroup> out;
  for (const auto& group : groups) {
    out.push_back({{}, group.lr_scale, group.weight_decay});
    for (auto* p : group.parameters)
      if (keep(*p)) out.back().parameters.push_back(p);
  }
  return out;
}

void sort_by_name(std::vector<NamedState>& state);

// State with one value for each element of the parameter, or one for each `per` of them.
NamedState state_of(const Parameter& parameter, const char* what, const Tensor& tensor,
                    std::int64_t per = 1);

// For rules that look at a tensor as a whole. Throws Error(invalid_argument) if ranks cut the
// parameter; true if it is this rank's, or every rank's; false if it is another's.
bool owns_whole(const Parameter& parameter, const char* rule);

// Throws Error(invalid_argument) when ranks have shared the parameter since the optimizer was made.
void require_same_part(const Slot& slot);

// Throws Error(invalid_argument) when there is none.
const Tensor& gradient_of(const Parameter& parameter);

// Zeros like what is own of the parameter (or of another shape), f32.
Tensor zero_state(const Parameter& parameter, const char* what);
Tensor zero_state(Device& device, const Shape& shape, const char* what);

// 1 / (1 - beta^step)
float bias_correction(float beta, std::int64_t step);

// The step's scalars, in memory of the device that kernels read.
class StepScalars {
 public:
  const kernels::UpdateScalars* upload(Device& device, const kernels::UpdateScalars& values);

 private:
  Tensor memory_;
};

// The parameter's copy in its compute dtype, as kernels take it.
kernels::NarrowWeight narrow_weight(const Parameter& parameter);

// A kernel's entry for a slot, its state aside. T: UpdateTensor, or another with these fields.
template <class T>
T weight_entry(const Slot& slot) {
  require_same_part(slot);
  const Tensor& value = slot.parameter->own_value();
  T entry;
  entry.weight = value.dtype() == DType::f32 ? value.view().as<float>() : nullptr;
  entry.grad = gradient_of(*slot.parameter).view().template as<float>();
  entry.compute = narrow_weight(*slot.parameter);
  entry.rounding = slot.rounding;
  if constexpr (requires { entry.first; }) entry.first = slot.parameter->own_begin();
  entry.numel = value.numel();
  entry.lr_scale = slot.lr_scale;
  entry.weight_decay = slot.weight_decay;
  return entry;
}

template <class Rule>
class Updater {
 public:
  // Names of the state, "exp_avg"; null: the rule has none.
  struct StateNames {
    const char* exp_avg = nullptr;
    const char* exp_avg_sq = nullptr;
  };
  Updater(const std::vector<ParameterGroup>& groups, const Rule& rule, const StateNames& names,
          std::uint64_t seed)
      : rule_(rule), names_(names), slots_(make_slots(groups, seed)) {
    for (const Slot& s : slots_) {
      exp_avg_.push_back(zeros(s, names.exp_avg));
      exp_avg_sq_.push_back(zeros(s, names.exp_avg_sq));
    }
  }

  void step(const StepOptions& o, float correction1 = 1.0f, float correction2 = 1.0f) {
    if (slots_.empty()) return;
    entries_.clear();
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      require_same_part(slots_[i]);
      if (slots_[i].parameter->own_value().numel() == 0) continue;
      entries_.push_back(weight_entry<kernels::UpdateTensor>(slots_[i]));
      if (exp_avg_[i]) entries_.back().exp_avg = exp_avg_[i].view().template as<float>();
      if (exp_avg_sq_[i]) entries_.back().exp_avg_sq = exp_avg_sq_[i].view().template as<float>();
    }
    for (const Slot& s : slots_) s.parameter->changed(/*compute_copy_too=*/true);
    if (entries_.empty()) return;
    Device& device = slots_.front().parameter->own_value().device();
    const kernels::UpdateScalars scalars{.lr = o.lr,
                                         .correction1 = correction1,
                                         .correction2 = correction2,
                                         .step = static_cast<std::uint32_t>(o.step)};
    device.stream().submit(
        kernels::Update<Rule>{.tensors = entries_.data(),
                              .count = static_cast<std::int64_t>(entries_.size()),
                              .scalars = scalars_.upload(device, scalars),
                              .clip = o.clip ? o.clip.view().template as<double>() : nullptr,
                              .rule = rule_});
  }

  std::vector<NamedState> state() const {
    std::vector<NamedState> out;
    const auto add = [&](const Slot& s, const char* name, const Tensor& tensor) {
      if (tensor) out.push_back(state_of(*s.parameter, name, tensor));
    };
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      add(slots_[i], names_.exp_avg, exp_avg_[i]);
      add(slots_[i], names_.exp_avg_sq, exp_avg_sq_[i]);
    }
    return out;
  }

 private:
  static Tensor zeros(const Slot& s, const char* name) {
    return name ? zero_state(*s.parameter, name) : Tensor{};
  }

  Rule rule_;
  StateNames names_;
  std::vector<Slot> slots_;
  std::vector<Tensor> exp_avg_, exp_avg_sq_;  // of each slot
  std::vector<kernels::UpdateTensor> entries_;
  StepScalars scalars_;
};

}  // namespace gigatrain::optim
