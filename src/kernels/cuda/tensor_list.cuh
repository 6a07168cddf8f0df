// Many tensors in one launch: the list of them travels by value in the kernel's parameters, so that
// nothing is copied to the device before it. A block belongs to one tensor, and finds it in the
// list.
#pragma once

#include <type_traits>

#include "kernels/cuda/geometry.h"

namespace gigatrain::kernels::cuda {

template <class Entry>
struct TensorList {
  // Parameters end at 4 KiB; what is left is for the kernel's other ones.
  static constexpr int kEntries = 3840 / static_cast<int>(sizeof(Entry) + sizeof(std::int64_t));

  Entry entries[kEntries];
  std::int64_t first[kEntries];  // blocks of the entries before
  int count = 0;
  std::int64_t blocks = 0;  // of all entries

  void add(const Entry& entry, std::int64_t entry_blocks) {
    entries[count] = entry;
    first[count++] = blocks;
    blocks += entry_blocks;
  }

  // The entry of a block: the last one whose first block is not after it.
  GT_DEVICE int find(std::int64_t block) const {
    int low = 0, high = count;
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      if (first[middle] <= block)
        low = middle;
      else
        high = middle;
    }
    return low;
  }
};

// submit(list) for lists that together hold entries[0, count), in order; an entry has blocks(entry)
// blocks.
template <class Entry, class Blocks, class Submit>
requires std::is_invocable_v<Blocks, const Entry&>
void for_lists(const Entry* entries, std::int64_t count, const Blocks& blocks,
               const Submit& submit) {
  for (std::int64_t i = 0; i < count;) {
    TensorList<Entry> list{};
    for (; i < count && list.count < list.kEntries; ++i) list.add(entries[i], blocks(entries[i]));
    submit(list);
  }
}
// ... of so many elements each.
template <class Entry, class Submit>
void for_lists(const Entry* entries, std::int64_t count, std::int64_t block_elements,
               const Submit& submit) {
  for_lists(
      entries, count, [&](const Entry& e) { return blocks_for(e.numel, block_elements); }, submit);
}

}  // namespace gigatrain::kernels::cuda
