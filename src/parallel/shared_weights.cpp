#include "parallel/shared_weights.h"

#include <algorithm>
#include <cstddef>

namespace gigatrain::parallel {

namespace {

// A unit's tensor: a window on its bucket.
class UnitSource : public WeightSource {
 public:
  UnitSource(SharedWeights& weights, SharePlan::Place place, const Shape& shape)
      : weights_(weights), place_(place), shape_(shape) {}

  Tensor fetch() override {
    const Tensor& whole = weights_.fetch(place_.bucket);
    auto* data = whole.view().as<std::byte>() + place_.offset * size_of(whole.dtype());
    return whole.alias(TensorView(data, whole.dtype(), shape_));
  }
  bool leaves() const override { return !weights_.stays(place_.bucket); }
  void settle() override { weights_.settle(place_.bucket); }

 private:
  SharedWeights& weights_;
  SharePlan::Place place_;
  Shape shape_;
};

}  // namespace

SharedWeights::SharedWeights(const SharePlan& plan, Communicator& shards, bool matrices_stay) {
  for (const auto& bucket : plan.buckets) {
    buckets_.push_back(nullptr);
    if (bucket.holds_values)
      buckets_.back() =
          std::make_unique<WeightBucket>(bucket, shards, matrices_stay || !bucket.matrices);
    for (const auto& unit : bucket.units)
      unit.leaf->weights = std::make_shared<UnitSource>(
          *this, plan.place_of(*unit.members.front().parameter), unit.shape);
  }
}

void SharedWeights::changed() {
  hold({});
  for (std::size_t b = buckets_.size(); b-- > 0;)  // a forward goes the other way
    if (buckets_[b] && buckets_[b]->stays()) buckets_[b]->start();
}

void SharedWeights::settle() {
  for (const auto& bucket : buckets_)
    if (bucket) bucket->settle();
}

void SharedWeights::begin_leaf() {
  recording_ = order_.empty();
  place_ = 0;
}

// Where the pass is now, and what it will ask for next.
std::optional<std::size_t> SharedWeights::next_after(std::size_t bucket) {
  if (recording_) {
    if (order_.empty() || order_.back() != bucket) order_.push_back(bucket);
    return std::nullopt;
  }
  if (place_ < order_.size() && order_[place_] != bucket) ++place_;
  if (place_ < order_.size() && order_[place_] != bucket) place_ = order_.size();
  if (place_ + 1 >= order_.size()) return std::nullopt;
  return order_[place_ + 1];
}

void SharedWeights::hold(std::vector<std::size_t> wanted) {
  for (const std::size_t b : held_)
    if (std::find(wanted.begin(), wanted.end(), b) == wanted.end()) buckets_[b]->release();
  held_ = std::move(wanted);
}

const Tensor& SharedWeights::fetch(std::size_t bucket) {
  if (buckets_[bucket]->stays()) return buckets_[bucket]->whole();
  const auto next = next_after(bucket);
  std::vector<std::size_t> wanted{bucket};
  if (next) wanted.push_back(*next);
  hold(std::move(wanted));
  buckets_[bucket]->start();
  if (next) buckets_[*next]->start();
  return buckets_[bucket]->whole();
}

}  // namespace gigatrain::parallel
