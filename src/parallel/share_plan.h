// Which gradients and weights lie together, and where ranks cut them: a pure function of the model
// and the number of shards, the same on every rank.
//
// A unit is one gradient buffer: of one use of a parameter, or of a pack. Units of a kind (compute
// dtype, matrix or vector, cut or whole) fill flat buckets in the order of the backward. A
// parameter's values lie in the bucket of its first use; another use's gradient has a bucket of its
// own, cut where the values are, so that the rank that updates an element has all of its gradients.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "gigatrain/nn/layer.h"

namespace gigatrain::parallel {

struct Unit {
  struct Member {
    Parameter* parameter = nullptr;
    std::size_t use = 0;      // of the parameter's uses
    std::int64_t offset = 0;  // elements, in the unit
  };
  std::shared_ptr<GradLeaf> leaf;
  std::vector<Member> members;  // one after the other, without gaps
  Shape shape;
  std::int64_t offset = 0;  // in its bucket
};

struct SharedBucket {
  std::vector<Unit> units = {};
  std::int64_t size = 0;                   // elements, with gaps between the units
  std::vector<std::int64_t> borders = {};  // of the shards: how many + 1
  bool holds_values = true;                // false: of another use, whose values are elsewhere
  bool matrices = true;
};

class SharePlan {
 public:
  explicit SharePlan(std::vector<SharedBucket> all);

  const std::vector<SharedBucket> buckets;  // in the order in which a backward completes them

  // Elements [offset, offset + numel) of that bucket.
  struct Place {
    std::size_t bucket = 0;
    std::int64_t offset = 0;
  };
  // Of a parameter's values, and of the gradient of one of its uses.
  Place place_of(const Parameter& parameter) const;
  Place place_of(const Parameter& parameter, std::size_t use) const;
  // The elements of a parameter that a shard updates, [begin, end) of the flattened values.
  struct Range {
    std::int64_t begin = 0, end = 0;
    std::int64_t size() const { return end - begin; }
  };
  Range range_of(const Parameter& parameter, int shard) const;

 private:
  std::map<const Parameter*, Place> values_;
  std::map<std::pair<const Parameter*, std::size_t>, Place> gradients_;
};

// bucket_size: a bucket closes when it has so many elements. `whole`: parameters that must not be
// cut, for optimizers that look at matrices as such; each goes to the shard that has least so far.
// compute: of matrices that have no memory yet.
SharePlan make_share_plan(nn::Layer& model, int shards, std::int64_t bucket_size,
                          const std::function<bool(const Parameter&)>& whole, DType compute);

}  // namespace gigatrain::parallel
