// Which buckets may start to move as their items (units: share_plan.h) become ready. All ranks
// start them in one order, whatever becomes ready first.
#pragma once

#include <cstddef>
#include <vector>

namespace gigatrain::parallel {

class BucketProgress {
 public:
  // Items are numbered bucket after bucket.
  explicit BucketProgress(std::vector<std::size_t> items_of_each);

  // The item's gradient is complete: the buckets that may start now, in order. Each of a wave's
  // items is ready once; Error(invalid_argument) if not.
  std::vector<std::size_t> ready(std::size_t item);
  // The backward is over: the buckets that have not started, for items that got no gradient.
  // The next wave begins.
  std::vector<std::size_t> rest();

 private:
  std::vector<std::size_t> bucket_of_;  // by item
  std::vector<std::size_t> items_, missing_;
  std::vector<bool> seen_;
  std::size_t next_ = 0;  // the first that has not started
};

}  // namespace gigatrain::parallel
