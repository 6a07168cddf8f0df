// The average is the SGD rule on the average, with rate -(1-d), decay -1 and the weights as
// gradient:  a += (1-d) (w - a).
#include "gigatrain/optim/ema.h"

#include <cmath>
#include <utility>

#include "kernels/elementwise.h"
#include "optim/updater.h"

namespace gigatrain::optim {

struct Ema::Impl {
  struct Slot {
    Parameter* parameter;
    Tensor average;    // f32
    Tensor displaced;  // while swapped: the weights
  };
  EmaOptions options;
  std::vector<Slot> slots;
  std::vector<kernels::UpdateTensor> entries;
  StepScalars scalars;

  float rate(std::int64_t step) const {
    const double d = static_cast<double>(options.decay);
    const double weight =
        options.bias_correction ? 1.0 - std::pow(d, static_cast<double>(step)) : 1;
    return static_cast<float>((1.0 - d) / weight);
  }
};

namespace {

Tensor as_f32(const Tensor& value, BlockName name) {
  if (value.dtype() == DType::f32) return value;
  const Tensor wide = Tensor::empty(value.device(), value.shape(), DType::f32, name);
  value.stream().submit(kernels::Copy{.x = value.view(), .y = wide.view()});
  return wide;
}

Tensor copy_as(const Tensor& x, DType dtype, BlockName name) {
  const Tensor y = Tensor::empty(x.device(), x.shape(), dtype, name);
  x.stream().submit(kernels::Copy{.x = x.view(), .y = y.view()});
  return y;
}

class WithEma : public Optimizer {
 public:
  WithEma(std::unique_ptr<Optimizer> inner, const std::vector<Parameter*>& parameters,
          const EmaOptions& options)
      : inner_(std::move(inner)), ema_(parameters, options) {}

  void step(const StepOptions& options) override {
    inner_->step(options);
    ema_.update(options.step, options.clip);
  }
  std::vector<NamedState> state() override {
    std::vector<NamedState> all = inner_->state();
    for (auto& s : ema_.state()) all.push_back(std::move(s));
    return all;
  }
  const char* name() const override { return inner_->name(); }
  Ema* ema() override { return &ema_; }

 private:
  std::unique_ptr<Optimizer> inner_;
  Ema ema_;
};

}  // namespace

Ema::Ema(const std::vector<Parameter*>& parameters, const EmaOptions& options)
    : impl_(std::make_unique<Impl>()) {
  impl_->options = options;
  for (const auto& s : make_slots({{parameters}}, 0))
    impl_->slots.push_back(
        {s.parameter,
         copy_as(s.parameter->own_value(), DType::f32, {Purpose::optimizer, "ema"}),
         {}});
}

Ema::~Ema() = default;

// Weights in bf16 are widened one after the other, so that one copy serves them all.
void Ema::update(std::int64_t step, const Tensor& clip) {
  if (impl_->slots.empty()) return;
  Device& device = impl_->slots.front().average.device();
  const kernels::UpdateScalars values{.lr = -impl_->rate(step)};
  const kernels::UpdateScalars* scalars = impl_->scalars.upload(device, values);
  const auto submit = [&] {
    device.stream().submit(kernels::Sgd{.tensors = impl_->entries.data(),
                                        .count = static_cast<std::int64_t>(impl_->entries.size()),
                                        .scalars = scalars,
                                        .clip = clip ? clip.view().as<double>() : nullptr,
                                        .rule = {.decoupled = true, .clips = false}});
    impl_->entries.clear();
  };
  for (auto& s : impl_->slots) {
    if (s.average.numel() == 0) continue;
    const Tensor wide = as_f32(s.parameter->own_value(), {Purpose::workspace, "ema.weights"});
    impl_->entries.push_back({.weight = s.average.view().as<float>(),
                              .grad = wide.view().as<float>(),
                              .numel = wide.numel(),
                              .weight_decay = -1.0f});
    if (s.parameter->own_value().dtype() != DType::f32) submit();
  }
  submit();
}

void Ema::swap_in() {
  for (auto& s : impl_->slots) {
    const DType dtype = s.parameter->own_value().dtype();
    s.displaced = s.parameter->exchange_value(
        dtype == DType::f32 ? s.average
                            : copy_as(s.average, dtype, {Purpose::parameters, "ema, rounded"}));
  }
}

void Ema::swap_out() {
  for (auto& s : impl_->slots) s.parameter->exchange_value(std::exchange(s.displaced, {}));
}

std::vector<NamedState> Ema::state() const {
  std::vector<NamedState> out;
  for (const auto& s : impl_->slots) {
    // While swapped, an f32 average stands in the parameter, and the weights where it was.
    const bool away = s.displaced && s.displaced.same_storage(s.average);
    out.push_back(state_of(*s.parameter, "ema", away ? s.parameter->own_value() : s.average));
  }
  return out;
}

Ema::Swapped::Swapped(Ema* ema) : ema_(ema) {
  if (ema_) ema_->swap_in();
}
Ema::Swapped::~Swapped() {
  if (ema_) ema_->swap_out();
}

std::unique_ptr<Optimizer> with_ema(std::unique_ptr<Optimizer> optimizer,
                                    const std::vector<Parameter*>& parameters,
                                    const EmaOptions& options) {
  return std::make_unique<WithEma>(std::move(optimizer), parameters, options);
}

}  // namespace gigatrain::optim
