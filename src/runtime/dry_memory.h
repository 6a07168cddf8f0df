// Memory of devices that compute nothing: addresses of blocks that lie apart, aligned, never null
// and never used.
#pragma once

#include <cstdint>

#include "gigatrain/base/integers.h"
#include "gigatrain/runtime/allocator.h"

namespace gigatrain {

class DryMemory : public MemorySource {
 public:
  // For large blocks, beyond the addresses of small ones.
  static constexpr AddressSpace kSpace{.begin = std::int64_t{1} << 56,
                                       .end = std::int64_t{1} << 57};

  void* allocate(std::int64_t bytes) override {
    void* const begin = reinterpret_cast<void*>(next_);
    next_ += static_cast<std::uintptr_t>(round_up(bytes, 256));
    return begin;
  }
  void release(void*) override {}

 private:
  std::uintptr_t next_ = std::uintptr_t{1} << 48;
};

}  // namespace gigatrain
