#include "parallel/shared_weights.h"

#include <algorithm>
#include <utility>

#include "gigatrain/base/error.h"
#include "parallel/window.h"

namespace gigatrain::parallel {

namespace {

// Buckets that are gathered before they are asked for: so far may a rank be ahead of another one
// without waiting for it.
constexpr std::size_t kAhead = 3;

// A unit's tensor: a window on its bucket.
class UnitSource : public TensorSource {
 public:
  UnitSource(std::weak_ptr<SharedWeights*> weights, SharePlan::Place place, const Shape& shape,
             bool leaves)
      : weights_(std::move(weights)), place_(place), shape_(shape), leaves_(leaves) {}

  Tensor fetch() override {
    const auto weights = weights_.lock();  // a tape may outlive the ranks
    if (!weights)
      throw Error(ErrorCode::invalid_argument,
                  "a backward needs weights that ranks shared, and they have gone",
                  "run it while the model's DataParallel lives");
    const Tensor& whole = (*weights)->fetch(place_.bucket);
    return window(whole, place_.offset, shape_);
  }
  bool leaves() const override { return leaves_; }
  void settle() override {
    if (const auto weights = weights_.lock()) (*weights)->settle(place_.bucket);
  }

 private:
  std::weak_ptr<SharedWeights*> weights_;
  SharePlan::Place place_;
  Shape shape_;
  bool leaves_;
};

}  // namespace

SharedWeights::SharedWeights(const SharePlan& plan, Device& device, Communicator& shards,
                             bool matrices_stay,
                             const std::optional<nn::MaterializeOptions>& weights) {
  for (const auto& bucket : plan.buckets) {
    buckets_.push_back(nullptr);
    if (bucket.holds_values)
      buckets_.back() = std::make_unique<WeightBucket>(bucket, device, shards,
                                                       matrices_stay || !bucket.matrices, weights);
  }
  for (const auto& bucket : plan.buckets)
    for (const auto& unit : bucket.units) {
      const auto place = plan.place_of(*unit.members.front().parameter);
      unit.leaf->weights =
          std::make_shared<UnitSource>(self_, place, unit.shape, !stays(place.bucket));
      leaves_.push_back(unit.leaf);
    }
}

// The parameters stay the parts that they are, with no whole to compute with.
SharedWeights::~SharedWeights() {
  for (const auto& leaf : leaves_) leaf->weights = nullptr;
}

void SharedWeights::changed() {
  gather({});
  for (std::size_t b = buckets_.size(); b-- > 0;)  // a forward goes the other way
    if (buckets_[b] && buckets_[b]->stays()) buckets_[b]->start();
  last_ = true;
  gather(from(0));
}

void SharedWeights::settle() {
  for (const auto& bucket : buckets_)
    if (bucket) bucket->settle();
}

void SharedWeights::begin_leaf(bool last) {
  recording_ = order_.empty();
  last_ = last;
  place_ = 0;
}

// Where the pass is now. An evaluation begins without begin_leaf().
void SharedWeights::follow(std::size_t bucket) {
  if (recording_) {
    if (order_.empty() || order_.back() != bucket) order_.push_back(bucket);
    return;
  }
  if (place_ < order_.size() && order_[place_] != bucket) ++place_;
  if (place_ < order_.size() && order_[place_] != bucket) place_ = order_.size();
  if (place_ == order_.size() && !order_.empty() && order_.front() == bucket) place_ = 0;
}

// What is asked for at that place, and next; after the end of a leaf the next one begins.
std::vector<std::size_t> SharedWeights::from(std::size_t place) const {
  std::vector<std::size_t> buckets;
  const std::size_t end = last_ ? order_.size() : 2 * order_.size();
  for (std::size_t i = place; i < end && buckets.size() <= kAhead; ++i) {
    const std::size_t bucket = order_[i % order_.size()];
    if (std::find(buckets.begin(), buckets.end(), bucket) == buckets.end())
      buckets.push_back(bucket);
  }
  return buckets;
}

// Holds these and no others of those that do not stay.
void SharedWeights::gather(std::vector<std::size_t> wanted) {
  for (const std::size_t b : held_)
    if (std::find(wanted.begin(), wanted.end(), b) == wanted.end()) buckets_[b]->release();
  held_ = std::move(wanted);
  for (const std::size_t b : held_) buckets_[b]->start();
}

const Tensor& SharedWeights::fetch(std::size_t bucket) {
  if (buckets_[bucket]->stays()) return buckets_[bucket]->whole();
  follow(bucket);
  const bool known = !recording_ && place_ < order_.size();
  gather(known ? from(place_) : std::vector<std::size_t>{bucket});
  return buckets_[bucket]->whole();
}

}  // namespace gigatrain::parallel
