#include "gigatrain/train/gradient_step.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/timer.h"
#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "gigatrain/train/token_source.h"
#include "kernels/elementwise.h"
#include "kernels/reduce.h"

namespace gigatrain {

GradientStep::GradientStep(nn::Model& model, Device& device, const BatchShape& shape,
                           std::uint64_t seed, const LeafOrder& order,
                           std::vector<nn::FieldSpec> fields, parallel::DataParallel* ranks)
    : model_(model),
      device_(device),
      shape_(shape),
      seed_(seed),
      parameters_(nn::trainable_parameters(model)),
      ranks_(ranks),
      tree_(ranks ? nullptr
                  : std::make_unique<parallel::GradientTree>(parameters_, shape.leaves, order)),
      collector_(ranks ? static_cast<parallel::GradientCollector&>(*ranks) : *tree_),
      fields_(fields.empty() ? token_fields(shape.seq_len) : std::move(fields)),
      id_ranges_(model.id_ranges()) {
  set_leaves(shape.leaves);
  const std::int64_t samples = own_leaves() * samples_of_leaf();
  for (const auto& field : fields_)
    batch_.add(field.name, Tensor::empty(device, field.batched(samples), field.dtype,
                                         {Purpose::data, "batch"}));
}

void GradientStep::set_leaves(std::int64_t leaves) {
  collector_.set_leaves(leaves);
  leaves_ = leaves;
  const auto losses = [&](std::int64_t count) {
    return Tensor::empty(device_, {count * shape_.micro_batches}, DType::f32,
                         {Purpose::data, "losses"});
  };
  own_losses_ = losses_ = {};
  own_losses_ = losses(own_leaves());
  losses_ = ranks_ ? losses(leaves) : own_losses_;
}

// Those that count; a turn that does not computes the last of them again.
std::int64_t GradientStep::own_leaves() const {
  const auto& turns = collector_.turns();
  return std::count_if(turns.begin(), turns.end(), [](const auto& turn) { return turn.counts; });
}

// Leaves are counted through the run; the source's steps all have V of them.
template <class Visit>
void GradientStep::visit_samples(std::int64_t step, const Visit& visit) const {
  const std::int64_t before = shape_.leaves_before(step), own = own_leaves();
  const auto leaf = [&](std::int64_t turn) {
    return before + collector_.turns()[static_cast<std::size_t>(turn)].leaf;
  };
  for (std::int64_t i = 0, next = 0; i < own; i = next) {
    const std::int64_t at = leaf(i) / shape_.leaves, first = leaf(i) % shape_.leaves;
    for (next = i + 1; next < own && leaf(next) == leaf(next - 1) + 1; ++next)
      if (leaf(next) / shape_.leaves != at) break;
    visit(i * samples_of_leaf(), at, first * samples_of_leaf(), (next - i) * samples_of_leaf());
  }
}

std::int64_t GradientStep::load(const BatchSource& data, std::int64_t step) {
  const Scope phase("phase", "data");
  say(step, "data");
  const Timer time;
  const std::int64_t samples = own_leaves() * samples_of_leaf();
  if (!host_batch_) host_batch_.emplace(fields_, batch_.samples());
  visit_samples(step,
                [&](std::int64_t place, std::int64_t at, std::int64_t first, std::int64_t count) {
                  data.fill(at, first, count, host_batch_->pointers_from(place));
                });
  visit_samples(step + 1, [&](std::int64_t, std::int64_t at, std::int64_t first,
                              std::int64_t count) { data.will_need(at, first, count); });
  const FieldPointers filled = host_batch_->pointers();
  check_ids(id_ranges_, fields_, samples, filled);
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    const TensorView& to = batch_.fields()[i].second.view();
    device_.upload(to.data, filled[i], samples * fields_[i].bytes());
  }
  const std::int64_t terms = data.loss_terms(samples, filled);
  data_ms_ = time.ms();
  return ranks_ ? ranks_->ranks().all_reduce(terms, Reduce::sum) : terms;
}

void GradientStep::run_leaf(std::int64_t turn, std::int64_t step, double scale,
                            std::int64_t micro_batches) {
  const std::int64_t leaf = collector_.turns()[static_cast<std::size_t>(turn)].leaf;
  const std::int64_t place = std::min(turn, own_leaves() - 1);
  for (std::int64_t a = 0; a < micro_batches; ++a) {
    const std::int64_t first = place * samples_of_leaf() + a * shape_.micro_batch;
    const std::int64_t first_in_step = leaf * samples_of_leaf() + a * shape_.micro_batch;
    nn::BatchContext context{.training = true,
                             .seed = seed_,
                             .step = static_cast<std::uint32_t>(step),
                             .first_sample = static_cast<std::uint32_t>(first_in_step)};
    const nn::Batch part = batch_.slice(first, first + shape_.micro_batch);
    Tensor loss;
    {
      const Scope phase("phase", "forward");
      say(step, "forward");
      loss = model_.loss(part, scale, context);
    }
    const Scope phase("phase", "backward");
    say(step, "backward");
    backward(loss);
    TensorView scalar = loss.view();
    scalar.shape = {1};
    const std::int64_t index = place * shape_.micro_batches + a;
    device_.stream().submit(
        kernels::Copy{.x = scalar, .y = ops::slice(own_losses_, 0, index, index + 1).view()});
  }
}

std::int64_t GradientStep::run(const BatchSource& data, std::int64_t step, double loss_scale) {
  if (const std::int64_t leaves = shape_.leaves_at(step); leaves != leaves_) set_leaves(leaves);
  const std::int64_t terms = load(data, step);
  if (terms > 0) submit(step, terms, shape_.micro_batches, loss_scale);
  return terms;
}

void GradientStep::submit(std::int64_t step, std::int64_t terms, std::int64_t micro_batches,
                          double loss_scale) {
  loss_scale_ = loss_scale;
  collector_.begin_step();
  const auto& turns = collector_.turns();
  for (std::size_t turn = 0; turn < turns.size(); ++turn) {
    collector_.begin_leaf(turns[turn], micro_batches);
    run_leaf(static_cast<std::int64_t>(turn), step, loss_scale / static_cast<double>(terms),
             micro_batches);
    collector_.end_leaf();
  }
  collector_.finish();
  if (ranks_) gather_losses();
}

void GradientStep::say(std::int64_t step, const char* phase) const {
  if (ranks_) ranks_->ranks().set_label(fmt::format("step {}, phase {}", step + 1, phase));
}

void GradientStep::gather_losses() {
  std::vector<std::int64_t> counts;
  for (int rank = 0; rank < ranks_->ranks().size(); ++rank)
    counts.push_back(static_cast<std::int64_t>(ranks_->plan().leaves_of(rank).size()) *
                     shape_.micro_batches);
  ranks_->device_ranks().all_gather(own_losses_.view(), losses_.view(), counts).wait();
}

double GradientStep::loss() const {
  const auto each = losses_.to_vector<double>();
  std::vector<double> leaves(static_cast<std::size_t>(leaves_));
  std::size_t next = 0;
  const auto add = [&](std::int64_t leaf) {
    for (std::int64_t a = 0; a < shape_.micro_batches; ++a)
      leaves[static_cast<std::size_t>(leaf)] += each[next++];
  };
  if (ranks_)
    for (int rank = 0; rank < ranks_->ranks().size(); ++rank)
      for (const std::int64_t leaf : ranks_->plan().leaves_of(rank)) add(leaf);
  else
    for (const auto& turn : collector_.turns()) add(turn.leaf);
  return kernels::tree_sum(leaves.data(), leaves_) / loss_scale_;
}

}  // namespace gigatrain
