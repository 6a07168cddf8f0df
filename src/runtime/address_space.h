// Addresses that an allocator cuts large blocks from, and which of them are taken.
#pragma once

#include <cstdint>
#include <vector>

#include "gigatrain/runtime/allocator.h"

namespace gigatrain {

inline constexpr std::int64_t kHugePage = 2 << 20;

// Best fit: the smallest hole that is large enough, the lowest of equal ones; else from the top.
// Neighbouring holes are one hole, so what lives together takes hardly more than its sum. Knows
// numbers only, and touches no memory.
class AddressRanges {
 public:
  AddressRanges(std::int64_t begin, std::int64_t end) : begin_(begin), top_(begin), end_(end) {}

  std::int64_t take(std::int64_t bytes);  // -1: there is not so much
  void give_back(std::int64_t at, std::int64_t bytes);

  struct Hole {
    std::int64_t begin, end;
  };
  const std::vector<Hole>& holes() const { return holes_; }  // by address
  std::int64_t reached() const { return top_ - begin_; }     // the most that was ever taken
  std::int64_t lower();                                      // forgets a hole at the top; its bytes

 private:
  std::vector<Hole> holes_;
  std::int64_t begin_, top_, end_;
};

// Address space of this process, on huge pages where the system has them to give: nothing is taken
// from the system's memory before it is touched. Empty where the system refuses, and under
// AddressSanitizer, which then sees the end of every block.
class HostSpace {
 public:
  explicit HostSpace(std::int64_t bytes);
  ~HostSpace();
  HostSpace(const HostSpace&) = delete;
  HostSpace& operator=(const HostSpace&) = delete;

  AddressSpace space() const { return space_; }

 private:
  AddressSpace space_;
};

}  // namespace gigatrain
