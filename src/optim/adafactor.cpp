#include "gigatrain/optim/adafactor.h"

#include <algorithm>
#include <cmath>

#include "kernels/adafactor.h"
#include "optim/updater.h"

namespace gigatrain::optim {

struct Adafactor::Impl {
  struct Factored {
    Slot slot;
    Tensor row;  // none for a vector
    Tensor col;
  };
  AdafactorOptions options;
  std::vector<Factored> all;  // in name order
  std::vector<kernels::AdafactorTensor> entries;
  StepScalars scalars;

  Impl(const std::vector<ParameterGroup>& groups, const AdafactorOptions& o) : options(o) {
    for (const Slot& s : make_slots(groups, o.seed)) {
      const Parameter& p = *s.parameter;
      Device& device = p.own_value().device();
      const bool own = owns_whole(p, "adafactor");
      if (p.shape().dims() < 2)
        all.push_back({s, {}, zero_state(p, "exp_avg_sq")});
      else
        all.push_back({s, zero_state(device, {own ? rows(p) : 0}, "exp_avg_sq_row"),
                       zero_state(device, {own ? cols(p) : 0}, "exp_avg_sq_col")});
    }
  }

  static std::int64_t cols(const Parameter& p) { return p.shape()[-1]; }
  static std::int64_t rows(const Parameter& p) {
    return cols(p) == 0 ? 0 : p.shape().numel() / cols(p);
  }

  void gather() {
    entries.clear();
    for (const Factored& f : all) {
      auto entry = weight_entry<kernels::AdafactorTensor>(f.slot);
      entry.row = f.row ? f.row.view().as<float>() : nullptr;
      entry.col = f.col.view().as<float>();
      entry.cols = f.col.numel();
      if (entry.numel > 0) entries.push_back(entry);
    }
  }

  kernels::UpdateScalars values(const StepOptions& o) const {
    const double t = static_cast<double>(o.step);
    const double mean_decay = 1.0 - std::pow(t, -static_cast<double>(options.decay_power));
    const auto relative = static_cast<float>(std::min(0.01, 1.0 / std::sqrt(t)));
    return {.lr = options.relative_step ? relative : o.lr,
            .correction1 = static_cast<float>(mean_decay),
            .step = static_cast<std::uint32_t>(o.step)};
  }
};

Adafactor::Adafactor(const std::vector<Parameter*>& parameters, const AdafactorOptions& options)
    : Adafactor(decay_groups(parameters, options.weight_decay), options) {}

Adafactor::Adafactor(const std::vector<ParameterGroup>& groups, const AdafactorOptions& options)
    : impl_(std::make_unique<Impl>(groups, options)) {}

Adafactor::~Adafactor() = default;

void Adafactor::step(const StepOptions& o) {
  Impl& m = *impl_;
  m.gather();
  for (const auto& f : m.all) f.slot.parameter->changed(/*compute_copy_too=*/true);
  if (m.entries.empty()) return;
  Device& device = m.all.front().col.device();
  device.stream().submit(kernels::Adafactor{.tensors = m.entries.data(),
                                            .count = static_cast<std::int64_t>(m.entries.size()),
                                            .scalars = m.scalars.upload(device, m.values(o)),
                                            .clip = o.clip ? o.clip.view().as<double>() : nullptr,
                                            .eps1 = m.options.eps1,
                                            .eps2 = m.options.eps2,
                                            .threshold = m.options.threshold,
                                            .scale_parameter = m.options.scale_parameter});
}

std::vector<NamedState> Adafactor::state() {
  std::vector<NamedState> out;
  for (const auto& f : impl_->all) {
    const Parameter& p = *f.slot.parameter;
    if (!f.row) {
      out.push_back(state_of(p, "exp_avg_sq", f.col));
      continue;
    }
    out.push_back({p.name() + ".exp_avg_sq_row", f.row, {Impl::rows(p)}, p.shared()});
    out.push_back({p.name() + ".exp_avg_sq_col", f.col, {Impl::cols(p)}, p.shared()});
  }
  return out;
}

}  // namespace gigatrain::optim
