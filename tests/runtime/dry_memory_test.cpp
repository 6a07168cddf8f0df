// Memory that is only counted has addresses as real memory has: ranks check that buffers lie apart.
#include "runtime/dry_memory.h"

#include <catch2/catch.hpp>

#include <cstddef>

using namespace gigatrain;

TEST_CASE("dry blocks lie apart", "[unit][runtime]") {
  DryMemory memory;
  const std::byte* end = nullptr;
  for (const std::int64_t bytes : {4096, 256, 100, 70'000, 1}) {
    auto* begin = static_cast<const std::byte*>(memory.allocate(bytes));
    CHECK(begin > end);
    end = begin + bytes - 1;
  }
}
