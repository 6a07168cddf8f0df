#include "gigatrain/optim/adamw8bit.h"

#include "gigatrain/base/integers.h"
#include "kernels/dynamic_tree.h"
#include "optim/updater.h"

namespace gigatrain::optim {

namespace {

bool is_large(const Parameter& p) {
  return p.shape().numel() >= AdamW8bit::kSmallest;
}

struct Moment {
  Tensor codes;   // u8
  Tensor absmax;  // f32, one a block

  Moment(const Parameter& p, const char* codes_name, const char* absmax_name) {
    Device& device = p.own_value().device();
    codes =
        Tensor::empty(device, p.own_value().shape(), DType::u8, {Purpose::optimizer, codes_name});
    const std::vector<std::uint8_t> zeros(static_cast<std::size_t>(codes.numel()));
    device.upload(codes.view().data, zeros.data(), codes.view().bytes());
    absmax = zero_state(device, {ceil_div(codes.numel(), kernels::kStateBlock)}, absmax_name);
  }
};

Tensor code_tables(Device& device) {
  return Tensor::from<float>(device, {2 * kernels::kCodes}, kernels::dynamic_trees(),
                             {Purpose::optimizer, "codes"});
}

}  // namespace

struct AdamW8bit::Impl {
  struct Large {
    Slot slot;
    Moment mean, square;
  };
  AdamWOptions options;
  Updater<kernels::AdamWRule> small;
  std::vector<Large> large;  // in name order
  std::vector<kernels::AdamW8bitTensor> entries;
  Tensor codes;
  StepScalars scalars;

  Impl(const std::vector<ParameterGroup>& groups, const AdamWOptions& o)
      : options(o),
        small(part_of(groups, [](const Parameter& p) { return !is_large(p); }), rule(),
              {.exp_avg = "exp_avg", .exp_avg_sq = "exp_avg_sq"}, o.seed) {
    for (const Slot& s : make_slots(groups, o.seed))
      if (is_large(*s.parameter))
        large.push_back({s,
                         {*s.parameter, "exp_avg_8bit", "exp_avg_absmax"},
                         {*s.parameter, "exp_avg_sq_8bit", "exp_avg_sq_absmax"}});
    if (!large.empty()) codes = code_tables(large.front().mean.codes.device());
  }

  kernels::AdamWRule rule() const {
    return {.beta1 = options.beta1, .beta2 = options.beta2, .eps = options.eps};
  }

  void gather() {
    entries.clear();
    for (const Large& l : large) {
      if (l.mean.codes.numel() == 0) continue;
      auto entry = weight_entry<kernels::AdamW8bitTensor>(l.slot);
      entry.exp_avg = l.mean.codes.view().as<std::uint8_t>();
      entry.exp_avg_sq = l.square.codes.view().as<std::uint8_t>();
      entry.exp_avg_absmax = l.mean.absmax.view().as<float>();
      entry.exp_avg_sq_absmax = l.square.absmax.view().as<float>();
      entries.push_back(entry);
    }
  }

  void step_large(const StepOptions& o, float correction1, float correction2) {
    for (const Large& l : large) l.slot.parameter->changed(/*compute_copy_too=*/true);
    if (entries.empty()) return;
    Device& device = codes.device();
    const kernels::UpdateScalars values{.lr = o.lr,
                                        .correction1 = correction1,
                                        .correction2 = correction2,
                                        .step = static_cast<std::uint32_t>(o.step)};
    device.stream().submit(kernels::AdamW8bit{.tensors = entries.data(),
                                              .count = static_cast<std::int64_t>(entries.size()),
                                              .scalars = scalars.upload(device, values),
                                              .clip = o.clip ? o.clip.view().as<double>() : nullptr,
                                              .codes = codes.view().as<float>(),
                                              .rule = rule()});
  }
};

AdamW8bit::AdamW8bit(const std::vector<Parameter*>& parameters, const AdamWOptions& options)
    : AdamW8bit(decay_groups(parameters, options.weight_decay), options) {}

AdamW8bit::AdamW8bit(const std::vector<ParameterGroup>& groups, const AdamWOptions& options)
    : impl_(std::make_unique<Impl>(groups, options)) {}

AdamW8bit::~AdamW8bit() = default;

void AdamW8bit::step(const StepOptions& o) {
  const float correction1 = bias_correction(impl_->options.beta1, o.step);
  const float correction2 = bias_correction(impl_->options.beta2, o.step);
  impl_->gather();
  impl_->small.step(o, correction1, correction2);
  if (!impl_->large.empty()) impl_->step_large(o, correction1, correction2);
}

std::vector<NamedState> AdamW8bit::state() {
  std::vector<NamedState> out = impl_->small.state();
  for (const auto& l : impl_->large) {
    const Parameter& p = *l.slot.parameter;
    out.push_back(state_of(p, "exp_avg_8bit", l.mean.codes));
    out.push_back(state_of(p, "exp_avg_absmax", l.mean.absmax, kernels::kStateBlock));
    out.push_back(state_of(p, "exp_avg_sq_8bit", l.square.codes));
    out.push_back(state_of(p, "exp_avg_sq_absmax", l.square.absmax, kernels::kStateBlock));
  }
  sort_by_name(out);
  return out;
}

}  // namespace gigatrain::optim
