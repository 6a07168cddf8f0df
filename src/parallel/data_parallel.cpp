#include "gigatrain/parallel/data_parallel.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "gigatrain/base/error.h"
#include "gigatrain/optim/clip.h"
#include "parallel/shared_norm.h"
#include "parallel/shared_weights.h"
#include "parallel/step_gradients.h"

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

// Those that every rank keeps whole.
void give_whole_weights(nn::Layer& model, Device& device, const DataParallelOptions& o) {
  if (!o.weights) return;
  if (o.zero == 0) return nn::materialize(model, device, *o.weights);
  for (auto* p : nn::named_parameters(model))
    if (!p->value() && !p->shared()) {
      nn::allocate(*p, device, *o.weights);
      nn::fill(*p, *o.weights);
    }
}

void require_weights(const std::vector<Parameter*>& parameters, bool follow) {
  for (const auto* p : parameters) {
    if (p->shared())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("parameter '{}' is shared among ranks already", p->name()));
    if (!p->value() && !follow)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("parameter '{}' has no memory yet", p->name()),
                  "call nn::materialize(model, device, ...) before DataParallel, or give it the "
                  "option `weights`");
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
  StepGradients gradients;
  std::optional<SharedWeights> weights;  // from stage 1 on
  std::optional<SharedNorm> norm;

  Impl(nn::Layer& model, Device& device, Communicator& ranks, const DataParallelOptions& o,
       const std::vector<Parameter*>& parameters)
      : tree(ranks,
             LeafPlan(o.leaves, ranks.size(),
                      o.zero >= 2 ? Exchange::after_leaf : Exchange::after_step),
             o.ranks_per_node),
        weights_ranks(tree.by_shard().split(0, tree.by_shard().rank(), "weights")),
        plan(make_share_plan(model, ranks.size(), o.bucket_bytes / 4, o.zero ? o.whole : nullptr,
                             o.weights ? o.weights->compute : DType::f32)),
        gradients(plan, tree, device, /*whole=*/o.zero == 0) {
    if (o.zero == 0) return;
    weights.emplace(plan, device, *weights_ranks, o.zero < 3, o.weights);
    norm.emplace(plan, parameters, *weights_ranks, device);
  }
};

DataParallel::DataParallel(nn::Layer& model, Device& device, Communicator& ranks,
                           const DataParallelOptions& options)
    : options_(checked(options)), ranks_(ranks), parameters_(nn::trainable_parameters(model)) {
  require_weights(parameters_, options_.weights.has_value());
  device_ranks_ = ranks.on(device);
  impl_ = std::make_unique<Impl>(model, device, *device_ranks_, options_, parameters_);
  give_whole_weights(model, device, options_);
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
  const LeafTurn& last = turns_.back();
  if (impl_->weights)
    impl_->weights->begin_leaf(turn.leaf == last.leaf && turn.counts == last.counts);
  impl_->gradients.buckets().begin_leaf(turn, micro_batches);
}

void DataParallel::end_leaf() {
  impl_->gradients.buckets().end_leaf();
  if (impl_->weights) impl_->weights->end_leaf();
}

void DataParallel::finish() {
  impl_->gradients.finish(parameters_);
}

Tensor DataParallel::clip_scale(float max_norm, const Tensor& guard, double loss_scale) {
  if (impl_->norm) return impl_->norm->clip_scale(max_norm, guard, loss_scale);
  return optim::clip_scale(parameters_, max_norm, guard, loss_scale);
}

void DataParallel::step(optim::Optimizer& optimizer, const optim::StepOptions& options) {
  if (impl_->weights) impl_->weights->settle();  // what no pass of this step has asked for
  optimizer.step(options);
  weights_changed();
}

void DataParallel::weights_changed() {
  if (impl_->weights) impl_->weights->changed();
}

}  // namespace gigatrain::parallel
