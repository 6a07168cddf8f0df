// No kernel of its own: the momentum is the SGD rule on a weight of zeros with rate -1, which
// leaves the update there; products make it orthogonal; the SGD rule without momentum applies it.
// A step that is skipped (clip factor NaN) leaves the zeros, and applies nothing.
#include "gigatrain/optim/muon.h"

#include <algorithm>
#include <cmath>

#include "gigatrain/ops/ops.h"
#include "gigatrain/optim/groups.h"
#include "optim/orthogonalize.h"
#include "optim/updater.h"

namespace gigatrain::optim {

namespace {

constexpr std::int64_t kBatchElements = 1 << 24;  // matrices worked on at once: 64 MiB each buffer

struct Matrix {
  Slot slot;
  Tensor momentum;
};

bool alike(const Parameter& a, const Parameter& b) {
  return a.shape() == b.shape() && a.parts() == b.parts() && a.parts_dim() == b.parts_dim() &&
         a.compute_dtype() == b.compute_dtype();
}

float scale_of(const Shape& matrix) {
  return 0.2f * std::sqrt(static_cast<float>(std::max(matrix[1], matrix[2])));
}

// Of the products. Updates are not scaled as losses are: in f16 small ones would vanish.
DType product_dtype(const Parameter& p) {
  return p.compute_dtype() == DType::f16 ? DType::bf16 : p.compute_dtype();
}

// updates (K, M, N): part by part.
void orthogonalize_parts(const Tensor& updates, const Parameter& p) {
  std::int64_t begin = 0;
  std::vector<std::int64_t> parts = p.parts();
  if (parts.empty()) parts = {p.shape()[0]};
  for (const std::int64_t size : parts) {
    const Tensor part = ops::slice(updates, 1 + p.parts_dim(), begin, begin + size);
    orthogonalize(part, product_dtype(p), scale_of(part.shape()));
    begin += size;
  }
}

}  // namespace

bool is_hidden_matrix(const Parameter& p, const MuonOptions& o) {
  return p.shape().dims() == 2 &&
         std::none_of(o.adamw_names.begin(), o.adamw_names.end(), [&](const std::string& pattern) {
           return matches_pattern(pattern, p.name());
         });
}

struct Muon::Impl {
  MuonOptions options;
  std::vector<std::vector<Matrix>> batches;  // of matrices that are alike
  std::vector<Matrix> elsewhere;             // updated by other ranks
  Updater<kernels::AdamWRule> others;
  StepScalars momentum_scalars, scalars;
  std::vector<kernels::UpdateTensor> entries;

  Impl(const std::vector<ParameterGroup>& groups, const MuonOptions& o)
      : options(o),
        others(part_of(groups, [&](const Parameter& p) { return !is_hidden_matrix(p, o); }),
               {.beta1 = o.adamw.beta1, .beta2 = o.adamw.beta2, .eps = o.adamw.eps},
               {.exp_avg = "exp_avg", .exp_avg_sq = "exp_avg_sq"}, o.adamw.seed) {
    make_slots(groups, 0);  // checks them as a whole
    for (const Slot& s :
         make_slots(part_of(groups, [&](const Parameter& p) { return is_hidden_matrix(p, o); }),
                    o.adamw.seed)) {
      const Matrix m{s, zero_state(*s.parameter, "momentum_buffer")};
      if (owns_whole(*s.parameter, "muon"))
        batch_for(*s.parameter).push_back(m);
      else
        elsewhere.push_back(m);
    }
  }

  std::vector<Matrix>& batch_for(const Parameter& p) {
    const auto most = static_cast<std::size_t>(
        std::max<std::int64_t>(1, kBatchElements / std::max<std::int64_t>(1, p.shape().numel())));
    for (auto& batch : batches)
      if (batch.size() < most && alike(*batch.front().slot.parameter, p)) return batch;
    return batches.emplace_back();
  }

  void require_gradients() const {
    for (const auto& batch : batches)
      for (const auto& m : batch) gradient_of(*m.slot.parameter);
  }

  void submit(const kernels::UpdateScalars* values, const StepOptions& o,
              const kernels::SgdRule& rule) {
    batches.front().front().momentum.stream().submit(
        kernels::Sgd{.tensors = entries.data(),
                     .count = static_cast<std::int64_t>(entries.size()),
                     .scalars = values,
                     .clip = o.clip ? o.clip.view().as<double>() : nullptr,
                     .rule = rule});
  }

  // updates (K, M, N): the momentum's, not yet orthogonal.
  void take_momentum(const std::vector<Matrix>& batch, const Tensor& updates,
                     const StepOptions& o) {
    entries.clear();
    float* update = updates.view().as<float>();
    for (const auto& m : batch) {
      entries.push_back({.weight = update,
                         .grad = gradient_of(*m.slot.parameter).view().as<float>(),
                         .exp_avg = m.momentum.view().as<float>(),
                         .numel = m.momentum.numel()});
      update += m.momentum.numel();
    }
    submit(momentum_scalars.upload(updates.device(), {.lr = -1.0f}), o,
           {.momentum = options.momentum, .nesterov = options.nesterov});
  }

  void apply(const std::vector<Matrix>& batch, const Tensor& updates, const StepOptions& o) {
    entries.clear();
    const float* update = updates.view().as<float>();
    for (const auto& m : batch) {
      entries.push_back(weight_entry<kernels::UpdateTensor>(m.slot));
      entries.back().grad = update;
      update += m.momentum.numel();
    }
    const auto step = static_cast<std::uint32_t>(o.step);
    submit(scalars.upload(updates.device(), {.lr = o.lr, .step = step}), o,
           {.decoupled = true, .clips = false});
    for (const auto& m : batch) m.slot.parameter->changed(/*compute_copy_too=*/true);
  }

  void step(const std::vector<Matrix>& batch, const StepOptions& o) {
    const Parameter& first = *batch.front().slot.parameter;
    const Shape all{static_cast<std::int64_t>(batch.size()), first.shape()[0], first.shape()[1]};
    const Tensor updates = Tensor::full(first.own_value().device(), all, 0.0, DType::f32,
                                        {Purpose::workspace, "muon.updates"});
    take_momentum(batch, updates, o);
    orthogonalize_parts(updates, first);
    apply(batch, updates, o);
  }
};

Muon::Muon(const std::vector<Parameter*>& parameters, const MuonOptions& options)
    : Muon(decay_groups(parameters, options.weight_decay), options) {}

Muon::Muon(const std::vector<ParameterGroup>& groups, const MuonOptions& options)
    : impl_(std::make_unique<Impl>(groups, options)) {}

Muon::~Muon() = default;

void Muon::step(const StepOptions& o) {
  Impl& m = *impl_;
  const AdamWOptions& adamw = m.options.adamw;
  m.require_gradients();
  m.others.step(o, bias_correction(adamw.beta1, o.step), bias_correction(adamw.beta2, o.step));
  for (const auto& batch : m.batches) m.step(batch, o);
  for (const auto& e : m.elsewhere) e.slot.parameter->changed(/*compute_copy_too=*/true);
}

std::vector<NamedState> Muon::state() {
  std::vector<NamedState> out = impl_->others.state();
  const auto add = [&](const std::vector<Matrix>& matrices) {
    for (const auto& m : matrices)
      out.push_back(state_of(*m.slot.parameter, "momentum_buffer", m.momentum));
  };
  for (const auto& batch : impl_->batches) add(batch);
  add(impl_->elsewhere);
  sort_by_name(out);
  return out;
}

}  // namespace gigatrain::optim
