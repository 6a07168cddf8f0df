// Workspaces that a queue takes once, each under its name, and keeps until it goes.
#pragma once

#include <map>
#include <string>

#include "gigatrain/runtime/allocator.h"

namespace gigatrain {

class HeldBlocks {
 public:
  explicit HeldBlocks(MemorySource& source) : source_(source) {}
  // The queue outlives its Device's allocator, so the memory goes back to where it came from.
  ~HeldBlocks() {
    for (auto& [name, block] : blocks_) {
      source_.release(block->data);
      delete block;
    }
  }
  HeldBlocks(const HeldBlocks&) = delete;
  HeldBlocks& operator=(const HeldBlocks&) = delete;

  // `what`: a string literal. Always the same bytes for the same name.
  void* hold(Allocator& allocator, std::int64_t bytes, const char* what) {
    auto& block = blocks_[what];
    if (!block) block = allocator.allocate(bytes, {Purpose::workspace, what});
    return block->data;
  }

 private:
  MemorySource& source_;
  std::map<std::string, detail::Block*> blocks_;
};

}  // namespace gigatrain
