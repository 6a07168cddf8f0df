// Gradients as a few flat buffers, in the order in which the backward makes them, so that one
// buffer moves while the next is filled. A bucket closes when it has reached the wanted size;
// tensors are never cut, since the backward writes each in one place. Ranks start buckets in one
// order, whatever the order in which a rank's gradients become ready.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gigatrain::parallel {

struct Bucket {
  // Each tensor begins at a multiple of so many elements: 256 bytes of f32, which suits kernels.
  static constexpr std::int64_t kAlignment = 64;

  struct Member {
    std::size_t item = 0;  // in the list that the buckets were made of
    std::int64_t offset = 0, size = 0;
  };
  std::vector<Member> members;
  std::int64_t size = 0;  // elements, with the gaps

  // For TreeReduce: where each tensor ends and the next begins, gaps counted to the one before.
  std::vector<std::int64_t> tensor_sizes() const;
};

// sizes: elements of each item (a use of a parameter), in the order of the backward.
// Throws Error(invalid_argument) unless at_least > 0 and no size is below 0.
std::vector<Bucket> make_buckets(const std::vector<std::int64_t>& sizes, std::int64_t at_least);

// Which buckets may start, as gradients become ready.
class BucketProgress {
 public:
  explicit BucketProgress(const std::vector<Bucket>& buckets);

  // The item's gradient is complete: the buckets that may start now, in order. Each of a wave's
  // items is ready once.
  std::vector<std::size_t> ready(std::size_t item);
  // The backward is over: the buckets that have not started, for items that got no gradient.
  // The next wave begins.
  std::vector<std::size_t> rest();

 private:
  std::vector<std::size_t> bucket_of_;  // by item
  std::vector<std::size_t> members_, missing_;
  std::vector<bool> seen_;
  std::size_t next_ = 0;  // the first that has not started
};

}  // namespace gigatrain::parallel
