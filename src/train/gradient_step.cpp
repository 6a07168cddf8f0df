#include "gigatrain/train/gradient_step.h"

#include <algorithm>
#include <span>

#include "gigatrain/tensor/node.h"
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
      parameters_(nn::named_parameters(model)),
      tree_(parameters_, shape.leaves) {
  tokens_.resize(static_cast<std::size_t>(shape.tokens()));
  targets_.resize(tokens_.size());
}

std::int64_t GradientStep::load(const TokenSource& data, std::int64_t step) {
  data.fill(step, 0, shape_.global_batch(), tokens_.data(), targets_.data());
  return std::count_if(targets_.begin(), targets_.end(), [](auto id) { return id >= 0; });
}

double GradientStep::run_leaf(std::int64_t leaf, std::int64_t step, double scale) {
  double loss = 0;
  const Shape shape{shape_.micro_batch, shape_.seq_len};
  const auto count = static_cast<std::size_t>(shape.numel());
  for (std::int64_t a = 0; a < shape_.micro_batches; ++a) {
    const std::int64_t first = (leaf * shape_.micro_batches + a) * shape_.micro_batch;
    const auto offset = static_cast<std::size_t>(first * shape_.seq_len);
    const auto part = [&](const std::vector<std::int32_t>& all) {
      return Tensor::from<std::int32_t>(device_, shape, std::span(all).subspan(offset, count));
    };
    nn::BatchContext context{.training = true,
                             .seed = seed_,
                             .step = static_cast<std::uint32_t>(step),
                             .first_sample = static_cast<std::uint32_t>(first)};
    const Tensor value = model_.loss(part(tokens_), part(targets_), scale, context);
    backward(value);
    loss += value.item();
  }
  return loss;
}

GradientStep::Result GradientStep::run(const TokenSource& data, std::int64_t step) {
  Result result{.loss = 0, .target_tokens = load(data, step)};
  if (result.target_tokens == 0) return result;
  const double scale = 1.0 / static_cast<double>(result.target_tokens);
  std::vector<double> losses(static_cast<std::size_t>(shape_.leaves));
  for (const auto leaf : order_) {
    tree_.begin_leaf();
    losses[static_cast<std::size_t>(leaf)] = run_leaf(leaf, step, scale);
    tree_.end_leaf(leaf);
  }
  tree_.finish();
  result.loss = kernels::tree_sum(losses.data(), shape_.leaves);
  return result;
}

}  // namespace gigatrain
