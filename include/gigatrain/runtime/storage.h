// A counted reference to one block of a device's memory; the last one gives it back.
#pragma once

#include <memory>

#include "gigatrain/runtime/allocator.h"

namespace gigatrain {

class Storage {
 public:
  Storage() = default;
  Storage(Allocator& allocator, std::int64_t bytes, BlockName name)
      : block_(allocator.allocate(bytes, name), [](detail::Block* b) { b->allocator->free(b); }) {}

  void* data() const { return block_ ? block_->data : nullptr; }
  std::int64_t bytes() const { return block_ ? block_->bytes : 0; }
  bool unique() const { return block_.use_count() == 1; }
  explicit operator bool() const { return block_ != nullptr; }

 private:
  std::shared_ptr<detail::Block> block_;
};

}  // namespace gigatrain
