#include "gigatrain/train/gradient_step.h"

#include <algorithm>

#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "gigatrain/train/token_source.h"
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

GradientStep::GradientStep(nn::Model& model, Device& device, const BatchShape& shape,
                           std::uint64_t seed, const LeafOrder& order,
                           std::vector<nn::FieldSpec> fields)
    : model_(model),
      device_(device),
      shape_(shape),
      seed_(seed),
      order_(leaf_order(shape.leaves, order)),
      parameters_(nn::trainable_parameters(model)),
      tree_(parameters_, shape.leaves),
      fields_(fields.empty() ? token_fields(shape.seq_len) : std::move(fields)),
      id_ranges_(model.id_ranges()) {
  for (const auto& field : fields_)
    batch_.add(field.name, Tensor::empty(device, field.batched(shape.global_batch()), field.dtype,
                                         {Purpose::data, "batch"}));
  losses_ = Tensor::empty(device, {shape.leaves * shape.micro_batches}, DType::f32,
                          {Purpose::data, "losses"});
}

std::int64_t GradientStep::load(const BatchSource& data, std::int64_t step) {
  const Scope phase("phase", "data");
  const std::int64_t samples = shape_.global_batch();
  if (!host_batch_) host_batch_.emplace(fields_, samples);
  const FieldPointers filled = host_batch_->pointers();
  data.fill(step, 0, samples, filled);
  check_ids(id_ranges_, fields_, samples, filled);
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    const TensorView& to = batch_.fields()[i].second.view();
    device_.upload(to.data, filled[i], to.bytes());
  }
  data.will_need(step + 1, 0, samples);
  return data.loss_terms(samples, filled);
}

void GradientStep::run_leaf(std::int64_t leaf, std::int64_t step, double scale,
                            std::int64_t micro_batches) {
  for (std::int64_t a = 0; a < micro_batches; ++a) {
    const std::int64_t index = leaf * shape_.micro_batches + a;
    const std::int64_t first = index * shape_.micro_batch;
    nn::BatchContext context{.training = true,
                             .seed = seed_,
                             .step = static_cast<std::uint32_t>(step),
                             .first_sample = static_cast<std::uint32_t>(first)};
    const nn::Batch part = batch_.slice(first, first + shape_.micro_batch);
    Tensor loss;
    {
      const Scope phase("phase", "forward");
      loss = model_.loss(part, scale, context);
    }
    const Scope phase("phase", "backward");
    backward(loss);
    TensorView scalar = loss.view();
    scalar.shape = {1};
    device_.stream().submit(
        kernels::Copy{.x = scalar, .y = ops::slice(losses_, 0, index, index + 1).view()});
  }
}

std::int64_t GradientStep::run(const BatchSource& data, std::int64_t step, double loss_scale) {
  const std::int64_t terms = load(data, step);
  if (terms > 0) submit(step, terms, shape_.micro_batches, loss_scale);
  return terms;
}

void GradientStep::submit(std::int64_t step, std::int64_t terms, std::int64_t micro_batches,
                          double loss_scale) {
  loss_scale_ = loss_scale;
  for (auto* p : parameters_) p->grad = {};  // of the step before: makes room for this one's
  tree_.discard();                           // should the step before have been broken off
  for (const auto leaf : order_) {
    tree_.begin_leaf();
    run_leaf(leaf, step, loss_scale / static_cast<double>(terms), micro_batches);
    tree_.end_leaf(leaf);
  }
  tree_.finish();
}

double GradientStep::loss() const {
  const auto each = losses_.to_vector<double>();
  std::vector<double> leaves(static_cast<std::size_t>(shape_.leaves));
  for (std::size_t i = 0; i < each.size(); ++i)
    leaves[i / static_cast<std::size_t>(shape_.micro_batches)] += each[i];
  return kernels::tree_sum(leaves.data(), shape_.leaves) / loss_scale_;
}

}  // namespace gigatrain
