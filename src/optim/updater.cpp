#include "optim/updater.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "gigatrain/base/error.h"
#include "gigatrain/base/integers.h"

namespace gigatrain::optim {

namespace {

void require_memory(const Parameter& p) {
  if (!p.own_value())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("parameter '{}' has no memory yet", p.name()),
                "call nn::materialize(model, device, ...) before making the optimizer");
}

}  // namespace

std::vector<Slot> make_slots(const std::vector<ParameterGroup>& groups, std::uint64_t seed) {
  std::vector<Slot> slots;
  for (const auto& group : groups)
    for (auto* p : group.parameters) {
      require_memory(*p);
      require_trainable(*p);
      slots.push_back({p, group.lr_scale, group.weight_decay, random_key(seed, "round", p->name()),
                       p->shared()});
    }
  const auto by_name = [](const Slot& a, const Slot& b) {
    return a.parameter->name() < b.parameter->name();
  };
  std::sort(slots.begin(), slots.end(), by_name);
  for (std::size_t i = 1; i < slots.size(); ++i)
    if (slots[i].parameter->name() == slots[i - 1].parameter->name())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("the optimizer was given two parameters of the name '{}'",
                              slots[i].parameter->name()),
                  "list every parameter in one group, and call nn::assign_names(model)");
  return slots;
}

void sort_by_name(std::vector<NamedState>& state) {
  std::sort(state.begin(), state.end(),
            [](const NamedState& a, const NamedState& b) { return a.name < b.name; });
}

void require_same_part(const Slot& slot) {
  if (slot.parameter->shared() != slot.shared)
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("the optimizer was made before '{}' was shared", slot.parameter->name()),
        "make it after DataParallel, which takes the weights over");
}

const Tensor& gradient_of(const Parameter& parameter) {
  if (!parameter.grad)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("parameter '{}' has no gradient", parameter.name()),
                "run backward() and collect_gradients() before step()");
  return parameter.grad;
}

NamedState state_of(const Parameter& parameter, const char* what, const Tensor& tensor,
                    std::int64_t per) {
  const std::string name = parameter.name() + "." + what;
  const Shape whole =
      per == 1 ? parameter.shape() : Shape{ceil_div(parameter.shape().numel(), per)};
  return {name, tensor, whole, parameter.shared(), parameter.own_begin() / per};
}

bool owns_whole(const Parameter& parameter, const char* rule) {
  const std::int64_t own = parameter.own_value().numel(), all = parameter.shape().numel();
  if (own != 0 && own != all)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} updates whole tensors, here are {} of the {} elements of '{}'",
                            rule, own, all, parameter.name()),
                "give DataParallel the option `whole`: optim::whole_tensors(...)");
  return own == all;
}

kernels::NarrowWeight narrow_weight(const Parameter& parameter) {
  const Tensor copy = parameter.own_copy();
  if (!copy) return nullptr;
  if (copy.dtype() == DType::f16) return copy.view().as<f16>();
  return copy.view().as<bf16>();
}

Tensor zero_state(const Parameter& parameter, const char* what) {
  const Tensor& own = parameter.own_value();
  return zero_state(own.device(), own.shape(), what);
}

Tensor zero_state(Device& device, const Shape& shape, const char* what) {
  return Tensor::full(device, shape, 0.0, DType::f32, {Purpose::optimizer, what});
}

float bias_correction(float beta, std::int64_t step) {
  return static_cast<float>(1.0 /
                            (1.0 - std::pow(static_cast<double>(beta), static_cast<double>(step))));
}

const kernels::UpdateScalars* StepScalars::upload(Device& device,
                                                  const kernels::UpdateScalars& values) {
  if (!memory_)
    memory_ = Tensor::empty(device, {sizeof values / sizeof(float)}, DType::f32,
                            {Purpose::optimizer, "scalars"});
  device.upload(memory_.view().data, &values, sizeof values);
  return memory_.view().as<kernels::UpdateScalars>();
}

}  // namespace gigatrain::optim
