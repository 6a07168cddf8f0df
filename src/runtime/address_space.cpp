#include "runtime/address_space.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <algorithm>

#include "gigatrain/base/integers.h"

#if defined(__SANITIZE_ADDRESS__)
#define GT_EXACT_BLOCKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GT_EXACT_BLOCKS 1
#endif
#endif

namespace gigatrain {

std::int64_t AddressRanges::take(std::int64_t bytes) {
  const auto size = [](const Hole& h) { return h.end - h.begin; };
  auto best = holes_.end();
  for (auto h = holes_.begin(); h != holes_.end(); ++h)
    if (size(*h) >= bytes && (best == holes_.end() || size(*h) < size(*best))) best = h;
  if (best != holes_.end()) {
    const std::int64_t at = best->begin;
    best->begin += bytes;
    if (best->begin == best->end) holes_.erase(best);
    return at;
  }
  const bool joins = !holes_.empty() && holes_.back().end == top_;
  const std::int64_t at = joins ? holes_.back().begin : top_;
  if (bytes > end_ - at) return -1;
  if (joins) holes_.pop_back();
  top_ = at + bytes;
  return at;
}

void AddressRanges::give_back(std::int64_t at, std::int64_t bytes) {
  const auto after = std::lower_bound(holes_.begin(), holes_.end(), at,
                                      [](const Hole& h, std::int64_t x) { return h.begin < x; });
  const bool joins_before = after != holes_.begin() && std::prev(after)->end == at;
  const bool joins_after = after != holes_.end() && after->begin == at + bytes;
  if (joins_before && joins_after) {
    std::prev(after)->end = after->end;
    holes_.erase(after);
  } else if (joins_before) {
    std::prev(after)->end += bytes;
  } else if (joins_after) {
    after->begin = at;
  } else {
    holes_.insert(after, {at, at + bytes});
  }
}

std::int64_t AddressRanges::lower() {
  if (holes_.empty() || holes_.back().end != top_) return 0;
  const Hole last = holes_.back();
  holes_.pop_back();
  top_ = last.begin;
  return last.end - last.begin;
}

namespace {

#if defined(__linux__) && !defined(GT_EXACT_BLOCKS)
AddressSpace reserve(std::int64_t bytes) {
  const auto size = static_cast<std::size_t>(round_up(bytes, kHugePage) + kHugePage);
  void* data = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) return {};
  madvise(data, size, MADV_HUGEPAGE);  // a refusal costs speed only
  const auto begin = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(data));
  return {begin, begin + static_cast<std::int64_t>(size), [](std::int64_t at, std::int64_t n) {
            madvise(reinterpret_cast<void*>(at), static_cast<std::size_t>(n), MADV_DONTNEED);
          }};
}
#else
AddressSpace reserve(std::int64_t) {
  return {};
}
#endif

}  // namespace

HostSpace::HostSpace(std::int64_t bytes) : space_(bytes > 0 ? reserve(bytes) : AddressSpace{}) {}

HostSpace::~HostSpace() {
#if defined(__linux__)
  if (space_.end > space_.begin)
    munmap(reinterpret_cast<void*>(space_.begin),
           static_cast<std::size_t>(space_.end - space_.begin));
#endif
}

}  // namespace gigatrain
