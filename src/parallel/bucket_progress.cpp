#include "parallel/bucket_progress.h"

#include <fmt/format.h>

#include <utility>

#include "gigatrain/base/error.h"

namespace gigatrain::parallel {

BucketProgress::BucketProgress(std::vector<std::size_t> items_of_each)
    : items_(std::move(items_of_each)) {
  for (std::size_t b = 0; b < items_.size(); ++b) bucket_of_.insert(bucket_of_.end(), items_[b], b);
  missing_ = items_;
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
  missing_ = items_;
  seen_.assign(seen_.size(), false);
  return start;
}

}  // namespace gigatrain::parallel
