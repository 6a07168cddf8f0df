#include "train/checkpoint_part.h"

#include <algorithm>
#include <numeric>

#include "train/checkpoint_files_internal.h"

namespace gigatrain {

namespace {

using Item = CheckpointLayout::Item;

std::vector<std::size_t> by_name(const std::vector<Item>& tensors) {
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return tensors[a].name < tensors[b].name; });
  return order;
}

// Cut where a file would pass max_bytes.
std::vector<std::vector<std::size_t>> cut(const std::vector<Item>& tensors,
                                          std::int64_t max_bytes) {
  std::vector<std::vector<std::size_t>> groups(1);
  std::int64_t size = 0;
  for (const std::size_t i : by_name(tensors)) {
    const std::int64_t bytes = tensors[i].bytes;
    if (!groups.back().empty() && size + bytes > max_bytes) {
      groups.emplace_back();
      size = 0;
    }
    size += bytes;
    groups.back().push_back(i);
  }
  return groups;
}

// Lays things of known sizes in a row and cuts the row into equal parts: a thing is the rank's in
// whose part its middle lies.
class Row {
 public:
  Row(std::int64_t total, int ranks) : total_(std::max<std::int64_t>(total, 1)), ranks_(ranks) {}
  int next(std::int64_t bytes) {
    const double middle = static_cast<double>(at_) + static_cast<double>(bytes) / 2;
    at_ += bytes;
    return std::min(static_cast<int>(middle / static_cast<double>(total_) * ranks_), ranks_ - 1);
  }

 private:
  std::int64_t total_, at_ = 0;
  int ranks_;
};

std::vector<Item> items_of(const std::vector<optim::NamedState>& tensors) {
  std::vector<Item> items;
  for (const auto& t : tensors) items.push_back({t.name, bytes_of(t), t.shared});
  return items;
}

}  // namespace

CheckpointLayout::CheckpointLayout(const std::vector<Item>& model,
                                   const std::vector<Item>& optimizer, int ranks,
                                   std::int64_t max_file_bytes)
    : ranks_(ranks), writers_(optimizer.size(), kOwners) {
  std::int64_t total = 0;
  for (const auto& t : model) total += t.bytes;
  for (const auto& t : optimizer)
    if (!t.shared) total += t.bytes;
  Row row(total, ranks);
  const auto groups = cut(model, max_file_bytes);
  const int files = static_cast<int>(groups.size());
  for (int i = 0; i < files; ++i) {
    const auto& group = groups[static_cast<std::size_t>(i)];
    std::int64_t bytes = 0;
    for (const std::size_t t : group) bytes += model[t].bytes;
    model_files_.push_back({shard_name(kModelFiles, i, files, 1), row.next(bytes), group});
  }
  for (std::size_t i = 0; i < optimizer.size(); ++i)
    if (!optimizer[i].shared) writers_[i] = row.next(optimizer[i].bytes);
}

CheckpointLayout::CheckpointLayout(const LiveState& state, int ranks, std::int64_t max_file_bytes)
    : CheckpointLayout(items_of(state.model), items_of(state.optimizer), ranks, max_file_bytes) {}

std::string CheckpointLayout::optimizer_file(int rank) const {
  return shard_name(kOptimizerFiles, rank, ranks_, 0);
}

}  // namespace gigatrain
