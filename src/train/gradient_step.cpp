#include "gigatrain/train/gradient_step.h"

#include <algorithm>

#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "kernels/elementwise.h"
#include "kernels/reduce.h"

namespace gigatrain {

namespace {

std::vector<std::int64_t> leaf_order(std::int64_t leaves, const LeafOrder& order) {
  std::vector<std::int64_t> out;
  for (std::int64_t block = 0; block < order.blocks; ++block) {
    const auto part = order.strided ? parallel::strided_leaves(leaves, block, order.blocks)
                                    : parallel::contiguous_leaves(leaves, block, order.blocks);
    out.insert(out.end(), part.begin(), part.end());
  }
  return out;
}

}  // namespace

GradientStep::GradientStep(nn::LanguageModel& model, Device& device, const BatchShape& shape,
                           std::uint64_t seed, const LeafOrder& order)
    : model_(model),
      device_(device),
      shape_(shape),
      seed_(seed),
      order_(leaf_order(shape.leaves, order)),
      parameters_(nn::trainable_parameters(model)),
      tree_(parameters_, shape.leaves) {
  const Shape batch{shape.global_batch(), shape.seq_len};
  tokens_ = Tensor::empty(device, batch, DType::i32, {Purpose::data, "tokens"});
  targets_ = Tensor::empty(device, batch, DType::i32, {Purpose::data, "targets"});
  losses_ = Tensor::empty(device, {shape.leaves * shape.micro_batches}, DType::f32,
                          {Purpose::data, "losses"});
}

std::int64_t GradientStep::load(const TokenSource& data, std::int64_t step) {
  host_tokens_.resize(static_cast<std::size_t>(shape_.tokens()));
  host_targets_.resize(host_tokens_.size());
  data.fill(step, 0, shape_.global_batch(), host_tokens_.data(), host_targets_.data());
  device_.upload(tokens_.view().data, host_tokens_.data(), tokens_.view().bytes());
  device_.upload(targets_.view().data, host_targets_.data(), targets_.view().bytes());
  return std::count_if(host_targets_.begin(), host_targets_.end(), [](auto id) { return id >= 0; });
}

void GradientStep::run_leaf(std::int64_t leaf, std::int64_t step, double scale,
                            std::int64_t micro_batches) {
  for (std::int64_t a = 0; a < micro_batches; ++a) {
    const std::int64_t index = leaf * shape_.micro_batches + a;
    const std::int64_t first = index * shape_.micro_batch;
    const auto part = [&](const Tensor& all) {
      return ops::slice(all, 0, first, first + shape_.micro_batch);
    };
    nn::BatchContext context{.training = true,
                             .seed = seed_,
                             .step = static_cast<std::uint32_t>(step),
                             .first_sample = static_cast<std::uint32_t>(first)};
    const Tensor loss = model_.loss(part(tokens_), part(targets_), scale, context);
    backward(loss);
    TensorView scalar = loss.view();
    scalar.shape = {1};
    device_.stream().submit(
        kernels::Copy{.x = scalar, .y = ops::slice(losses_, 0, index, index + 1).view()});
  }
}

std::int64_t GradientStep::run(const TokenSource& data, std::int64_t step) {
  const std::int64_t targets = load(data, step);
  if (targets > 0) submit(step, targets, shape_.micro_batches);
  return targets;
}

void GradientStep::submit(std::int64_t step, std::int64_t targets, std::int64_t micro_batches) {
  for (auto* p : parameters_) p->grad = {};  // of the step before: makes room for this one's
  for (const auto leaf : order_) {
    tree_.begin_leaf();
    run_leaf(leaf, step, 1.0 / static_cast<double>(targets), micro_batches);
    tree_.end_leaf(leaf);
  }
  tree_.finish();
}

double GradientStep::loss() const {
  const auto each = losses_.to_vector<double>();
  std::vector<double> leaves(static_cast<std::size_t>(shape_.leaves));
  for (std::size_t i = 0; i < each.size(); ++i)
    leaves[i / static_cast<std::size_t>(shape_.micro_batches)] += each[i];
  return kernels::tree_sum(leaves.data(), shape_.leaves);
}

}  // namespace gigatrain
