#include "gigatrain/parallel/data_parallel.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "gigatrain/base/error.h"
#include "gigatrain/optim/clip.h"
#include "kernels/elementwise.h"
#include "parallel/shared_gradients.h"
#include "parallel/shared_norm.h"
#include "parallel/shared_weights.h"

namespace gigatrain::parallel {

namespace {

DataParallelOptions checked(DataParallelOptions o) {
  if (o.zero < 0 || o.zero > 3)
    throw Error(ErrorCode::invalid_argument, fmt::format("ZeRO has stages 0 to 3, got {}", o.zero));
  if (o.bucket_bytes < 4)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a bucket has at least 4 bytes, got {}", o.bucket_bytes));
  return o;
}

void require_weights(const std::vector<Parameter*>& parameters) {
  for (const auto* p : parameters) {
    if (p->shared())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("parameter '{}' is shared among ranks already", p->name()));
    if (!p->value())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("parameter '{}' has no memory yet", p->name()),
                  "call nn::materialize(model, device, ...) before DataParallel");
  }
}

std::vector<LeafTurn> turns_of(const LeafPlan& plan, int rank, int zero) {
  std::vector<LeafTurn> turns;
  for (const std::int64_t leaf : plan.leaves_of(rank)) turns.push_back({leaf});
  // The others cannot gather weights without this rank.
  const auto waves = static_cast<std::size_t>(plan.waves());
  if (zero == 3 && turns.size() < waves) turns.push_back({turns.back().leaf, false});
  return turns;
}

}  // namespace

struct DataParallel::Impl {
  TreeRanks tree;
  std::unique_ptr<Communicator> weights_ranks;  // whose order is that of the shards
  SharePlan plan;
  SharedGradients gradients;
  std::optional<SharedWeights> weights;  // from stage 1 on
  std::optional<SharedNorm> norm;

  Impl(nn::Layer& model, Device& device, Communicator& ranks, const DataParallelOptions& o,
       const std::vector<Parameter*>& parameters)
      : tree(ranks,
             LeafPlan(o.leaves, ranks.size(),
                      o.zero >= 2 ? Exchange::after_leaf : Exchange::after_step),
             o.ranks_per_node),
        weights_ranks(tree.by_shard().split(0, tree.by_shard().rank(), "weights")),
        plan(make_share_plan(model, ranks.size(), o.bucket_bytes / 4, o.zero ? o.whole : nullptr)),
        gradients(plan, tree, device) {
    if (o.zero == 0) return;
    weights.emplace(plan, *weights_ranks, o.zero < 3);
    norm.emplace(plan, parameters, *weights_ranks, device);
  }

  int shard() const { return weights_ranks->rank(); }

  // Of one use: the elements of the parameter that are this rank's.
  Tensor own_gradient(const std::vector<Tensor>& shards, const Parameter& p,
                      std::size_t use) const {
    const auto range = plan.range_of(p, shard());
    for (std::size_t b = 0; b < plan.buckets.size(); ++b)
      for (const auto& unit : plan.buckets[b].units)
        for (const auto& member : unit.members) {
          if (member.parameter != &p || member.use != use) continue;
          const std::int64_t first = plan.buckets[b].borders[static_cast<std::size_t>(shard())];
          auto* data = shards[b].view().as<float>();
          if (range.size() > 0) data += unit.offset + member.offset + range.begin - first;
          return shards[b].alias(TensorView(data, DType::f32, {range.size()}));
        }
    return {};
  }

  Tensor sum_of_uses(const std::vector<Tensor>& shards, const Parameter& p) const {
    Tensor total = own_gradient(shards, p, 0);
    for (std::size_t use = 1; use < p.uses().size(); ++use)
      if (const Tensor more = own_gradient(shards, p, use); more && more.numel() > 0)
        add_into(total, more);
    return total;
  }

  // Every rank gets every part.
  void gather(const std::vector<Parameter*>& parameters) {
    std::vector<Tensor> whole(plan.buckets.size());
    std::vector<Work> works;
    for (std::size_t b = 0; b < plan.buckets.size(); ++b) {
      if (!plan.buckets[b].holds_values) continue;
      whole[b] = Tensor::empty(tree_device(parameters), {plan.buckets[b].size}, DType::f32,
                               {Purpose::gradients, "gathered"});
      for (auto* p : parameters) place(whole[b], b, *p);
      works.push_back(gradients.all_gather(b, whole[b]));
    }
    for (auto& work : works) work.wait();
    for (auto* p : parameters) {
      const auto at = plan.place_of(*p);
      p->grad = whole[at.bucket].alias(
          TensorView(whole[at.bucket].view().as<float>() + at.offset, DType::f32, p->shape()));
    }
  }

  static Device& tree_device(const std::vector<Parameter*>& parameters) {
    return parameters.front()->own_value().device();
  }

  // This rank's part of p's gradient, into its place in the bucket.
  void place(const Tensor& whole, std::size_t bucket, const Parameter& p) const {
    const auto at = plan.place_of(p);
    const auto range = plan.range_of(p, shard());
    if (at.bucket != bucket || range.size() == 0) return;
    const TensorView to(whole.view().as<float>() + at.offset + range.begin, DType::f32,
                        {range.size()});
    whole.stream().submit(kernels::Copy{.x = p.grad.view(), .y = to});
  }
};

DataParallel::DataParallel(nn::Layer& model, Device& device, Communicator& ranks,
                           const DataParallelOptions& options)
    : options_(checked(options)), ranks_(ranks), parameters_(nn::trainable_parameters(model)) {
  require_weights(parameters_);
  impl_ = std::make_unique<Impl>(model, device, ranks, options_, parameters_);
  turns_ = turns_of(plan(), ranks.rank(), options_.zero);
}

DataParallel::~DataParallel() = default;

const LeafPlan& DataParallel::plan() const {
  return impl_->tree.plan();
}

void DataParallel::set_leaves(std::int64_t leaves) {
  impl_->tree.set_leaves(leaves);
  turns_ = turns_of(plan(), ranks_.rank(), options_.zero);
}

void DataParallel::begin_step() {
  for (auto* p : parameters_) p->grad = {};
  impl_->gradients.discard();
}

void DataParallel::begin_leaf(const LeafTurn& turn, std::int64_t micro_batches) {
  if (impl_->weights) impl_->weights->begin_leaf();
  impl_->gradients.begin_leaf(turn, micro_batches);
}

void DataParallel::end_leaf() {
  impl_->gradients.end_leaf();
  if (impl_->weights) impl_->weights->end_leaf();
}

void DataParallel::finish() {
  const auto shards = impl_->gradients.finish();
  for (auto* p : parameters_) p->grad = impl_->sum_of_uses(shards, *p);
  if (options_.zero == 0) impl_->gather(parameters_);
}

Tensor DataParallel::clip_scale(float max_norm, const Tensor& guard, double loss_scale) {
  if (impl_->norm) return impl_->norm->clip_scale(max_norm, guard, loss_scale);
  return optim::clip_scale(parameters_, max_norm, guard, loss_scale);
}

void DataParallel::step(optim::Optimizer& optimizer, const optim::StepOptions& options) {
  optimizer.step(options);
  weights_changed();
}

void DataParallel::weights_changed() {
  if (impl_->weights) impl_->weights->changed();
}

}  // namespace gigatrain::parallel
