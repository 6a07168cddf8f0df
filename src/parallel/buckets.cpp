#include "gigatrain/parallel/buckets.h"

#include <fmt/format.h>

#include <algorithm>

#include "gigatrain/base/error.h"
#include "gigatrain/base/integers.h"

namespace gigatrain::parallel {

std::vector<std::int64_t> Bucket::tensor_sizes() const {
  std::vector<std::int64_t> sizes;
  for (std::size_t i = 0; i < members.size(); ++i)
    sizes.push_back((i + 1 < members.size() ? members[i + 1].offset : size) - members[i].offset);
  return sizes;
}

std::vector<Bucket> make_buckets(const std::vector<std::int64_t>& sizes, std::int64_t at_least) {
  if (at_least < 1 || std::any_of(sizes.begin(), sizes.end(), [](auto n) { return n < 0; }))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("buckets of at least 1 element, and sizes of at least 0, got {} and {}",
                            at_least, fmt::join(sizes, " ")));
  std::vector<Bucket> buckets;
  for (std::size_t item = 0; item < sizes.size(); ++item) {
    if (buckets.empty() || buckets.back().size >= at_least) buckets.emplace_back();
    Bucket& last = buckets.back();
    last.members.push_back({item, last.size, sizes[item]});
    last.size += round_up(sizes[item], Bucket::kAlignment);
  }
  return buckets;
}

BucketProgress::BucketProgress(const std::vector<Bucket>& buckets) {
  for (std::size_t b = 0; b < buckets.size(); ++b) {
    members_.push_back(buckets[b].members.size());
    bucket_of_.insert(bucket_of_.end(), members_.back(), b);
  }
  missing_ = members_;
  seen_.assign(bucket_of_.size(), false);
}

std::vector<std::size_t> BucketProgress::ready(std::size_t item) {
  if (item >= seen_.size() || seen_[item])
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("item {} of {} does not exist or was ready before", item, seen_.size()));
  seen_[item] = true;
  --missing_[bucket_of_[item]];
  std::vector<std::size_t> start;
  while (next_ < missing_.size() && missing_[next_] == 0) start.push_back(next_++);
  return start;
}

std::vector<std::size_t> BucketProgress::rest() {
  std::vector<std::size_t> start;
  while (next_ < missing_.size()) start.push_back(next_++);
  next_ = 0;
  missing_ = members_;
  seen_.assign(seen_.size(), false);
  return start;
}

}  // namespace gigatrain::parallel
