#include "runtime/address_space.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <random>

#include "gigatrain/base/error.h"
#include "gigatrain/runtime/device.h"

using namespace gigatrain;

TEST_CASE("a range takes the smallest hole that fits, the lowest of equal ones",
          "[unit][runtime][memory]") {
  AddressRanges ranges(1000, 2000);
  for (const std::int64_t at : {1000, 1100, 1200, 1300}) CHECK(ranges.take(100) == at);
  ranges.give_back(1000, 100);
  ranges.give_back(1200, 100);
  CHECK(ranges.take(50) == 1000);  // of two holes of 100 the lower
  CHECK(ranges.take(100) == 1200);
  CHECK(ranges.take(60) == 1400);  // 50 are left in a hole
  CHECK(ranges.take(50) == 1050);
  CHECK(ranges.reached() == 460);
}

TEST_CASE("neighbouring holes become one, also at the top", "[unit][runtime][memory]") {
  AddressRanges ranges(0, 1000);
  for (int i = 0; i < 4; ++i) CHECK(ranges.take(100) == 100 * i);
  ranges.give_back(0, 100);
  ranges.give_back(200, 100);
  ranges.give_back(100, 100);  // joins both
  REQUIRE(ranges.holes().size() == 1);
  CHECK(ranges.take(300) == 0);
  ranges.give_back(300, 100);
  CHECK(ranges.take(700) == 300);  // the hole at the top grows
  CHECK(ranges.take(1) == -1);
  ranges.give_back(300, 700);
  CHECK(ranges.lower() == 700);
  CHECK(ranges.reached() == 300);
  CHECK(ranges.holes().empty());
}

TEST_CASE("ranges that are taken never overlap", "[unit][runtime][memory]") {
  AddressRanges ranges(0, 1 << 20);
  std::mt19937 random(7);
  std::vector<std::int64_t> owner(1 << 12, -1);  // of each unit of 256
  struct Taken {
    std::int64_t at, bytes;
  };
  std::vector<Taken> taken;
  std::int64_t refused = 0;
  for (std::int64_t round = 0; round < 20000; ++round) {
    if (random() % 5 < 3) {
      const auto bytes = static_cast<std::int64_t>(256 * (1 + random() % 100));
      const std::int64_t at = ranges.take(bytes);
      if (at < 0) {
        ++refused;
        continue;
      }
      for (std::int64_t u = at / 256; u < (at + bytes) / 256; ++u) {
        REQUIRE(owner[static_cast<std::size_t>(u)] == -1);
        owner[static_cast<std::size_t>(u)] = round;
      }
      taken.push_back({at, bytes});
    } else if (!taken.empty()) {
      std::swap(taken[random() % taken.size()], taken.back());
      const Taken gone = taken.back();
      taken.pop_back();
      for (std::int64_t u = gone.at / 256; u < (gone.at + gone.bytes) / 256; ++u)
        owner[static_cast<std::size_t>(u)] = -1;
      ranges.give_back(gone.at, gone.bytes);
    }
  }
  CHECK(refused > 0);  // it was full at times
  for (const auto& t : taken) ranges.give_back(t.at, t.bytes);
  REQUIRE(ranges.holes().size() == 1);
  CHECK(ranges.holes()[0].end == ranges.reached());
}

TEST_CASE("blocks of different sizes share a CPU's memory", "[unit][runtime][memory]") {
  Device device({.threads = 1});
  Allocator& memory = device.allocator();
  const auto block = [&](std::int64_t bytes, Purpose purpose) {
    auto* b = memory.allocate(bytes, {purpose, "test"});
    std::memset(b->data, 1, static_cast<std::size_t>(bytes));
    return b;
  };
  auto* small = block(300 << 10, Purpose::activations);
  auto* middle = block(500 << 10, Purpose::activations);
  memory.free(small);
  memory.free(middle);
  const MemoryStats before = memory.stats();
  auto* whole = block(800 << 10, Purpose::gradients);         // where the two were
  const bool one_space = HostSpace(1 << 20).space().end > 0;  // not under AddressSanitizer
  if (one_space) {
    CHECK(memory.stats().system_allocations == before.system_allocations);
    CHECK(memory.stats().reserved == before.reserved);
  }
  memory.free(whole);
  memory.trim();
  CHECK(memory.stats().reserved == 0);
  CHECK(memory.stats().total.now == 0);
  memory.free(block(1 << 20, Purpose::optimizer));  // what was given back can be taken again
}

TEST_CASE("a block that the address space has not is refused with what is held",
          "[unit][runtime][memory]") {
  struct : MemorySource {
    void* allocate(std::int64_t) override { return nullptr; }
    void release(void*) override {}
  } none;
  constexpr std::int64_t kBegin = std::int64_t{1} << 40, kBytes = 6 << 20;  // never touched
  Allocator memory({.source = &none, .space = {.begin = kBegin, .end = kBegin + kBytes}});
  auto* held = memory.allocate(1 << 20, {Purpose::optimizer, "adamw.m"});
  CHECK(reinterpret_cast<std::uintptr_t>(held->data) == std::uintptr_t{1} << 40);
  CHECK_THROWS_WITH(memory.allocate(4 << 20, {Purpose::activations, "x"}),
                    Catch::Contains("no memory for 4194304 bytes of activations ('x')") &&
                        Catch::Contains("optimizer 1048576"));
  memory.free(held);
}
