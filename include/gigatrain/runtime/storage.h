// A counted reference to one block of a device's memory; the last one gives it back.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "gigatrain/runtime/allocator.h"

namespace gigatrain {

class Storage {
 public:
  Storage() = default;
  Storage(Allocator& allocator, std::int64_t bytes, BlockName name)
      : block_(allocator.allocate(bytes, name), [](detail::Block* b) { b->allocator->free(b); }) {}

  // Memory that belongs to somebody else, who learns through `release` that the last reference is
  // gone. No allocator counts it.
  static Storage borrow(void* data, std::int64_t bytes, std::function<void()> release) {
    Storage storage;
    storage.block_ = {new detail::Block{nullptr, data, bytes, bytes, {}},
                      [release = std::move(release)](detail::Block* b) {
                        delete b;
                        if (release) release();
                      }};
    return storage;
  }

  void* data() const { return block_ ? block_->data : nullptr; }
  std::int64_t bytes() const { return block_ ? block_->bytes : 0; }
  bool unique() const { return block_.use_count() == 1; }
  explicit operator bool() const { return block_ != nullptr; }

 private:
  std::shared_ptr<detail::Block> block_;
};

}  // namespace gigatrain
