// All weights that ranks share, and who has the whole of which when. Under ZeRO 3 a bucket is
// gathered when something asks for it, the next ones of the pass meanwhile (every leaf is like the
// first, and what it asks for first is gathered under the end of the one before, or of the
// update), and what was there before goes, unless an op still holds it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "parallel/weight_bucket.h"

namespace gigatrain::parallel {

class SharedWeights {
 public:
  SharedWeights(const SharedWeights&) = delete;
  SharedWeights& operator=(const SharedWeights&) = delete;
  // Takes over the parameters of the plan, whose leaves get a source each.
  SharedWeights(const SharePlan& plan, Device& device, Communicator& shards, bool matrices_stay,
                const std::optional<nn::MaterializeOptions>& weights);
  ~SharedWeights();

  // The values have changed: the buckets that stay are gathered, those first that the forward needs
  // first; the others go.
  void changed();
  // Nothing that moves reads a bucket's own part afterwards; all buckets'.
  void settle(std::size_t bucket) { buckets_[bucket]->settle(); }
  void settle();
  // Around the passes of one leaf. last: of the step.
  void begin_leaf(bool last);
  void end_leaf() { recording_ = false; }

  const Tensor& fetch(std::size_t bucket);

 private:
  bool stays(std::size_t bucket) const { return buckets_[bucket]->stays(); }
  void follow(std::size_t bucket);
  std::vector<std::size_t> from(std::size_t place) const;
  void gather(std::vector<std::size_t> wanted);

  std::shared_ptr<SharedWeights*> self_ = std::make_shared<SharedWeights*>(this);
  std::vector<std::shared_ptr<GradLeaf>> leaves_;       // whose source this is
  std::vector<std::unique_ptr<WeightBucket>> buckets_;  // null: holds no values
  std::vector<std::size_t> held_;                       // of those that do not stay
  std::vector<std::size_t> order_;                      // of a leaf, as the first one asked
  std::size_t place_ = 0;                               // in order_; its size: lost
  bool recording_ = false, last_ = false;
};

}  // namespace gigatrain::parallel
