#include "gigatrain/runtime/allocator.h"

#include <fmt/format.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>

#include "gigatrain/base/error.h"
#include "gigatrain/base/integers.h"
#include "runtime/address_space.h"

namespace gigatrain {

const char* name(Purpose purpose) {
  switch (purpose) {
    case Purpose::parameters:
      return "parameters";
    case Purpose::gradients:
      return "gradients";
    case Purpose::optimizer:
      return "optimizer";
    case Purpose::activations:
      return "activations";
    case Purpose::workspace:
      return "workspace";
    case Purpose::data:
      return "data";
    case Purpose::count_:
      break;
  }
  return "?";
}

namespace {

constexpr std::int64_t kAlign = 64;
constexpr std::int64_t kHugeFrom = 2 * kHugePage;
constexpr std::int64_t kCutFrom = 64 << 10;  // smaller blocks are kept by bins

// Large blocks lie on huge pages where the system has them to give: a fresh one costs a few page
// faults instead of thousands, and a walk over it misses no address translation.
void* host_memory(std::int64_t bytes) {
  const std::int64_t align = bytes >= kHugeFrom ? kHugePage : kAlign;
  const auto size = static_cast<std::size_t>(round_up(bytes, align));
  void* data = std::aligned_alloc(static_cast<std::size_t>(align), size);
#if defined(__linux__)
  if (data && align == kHugePage) madvise(data, size, MADV_HUGEPAGE);  // a refusal costs speed only
#endif
  return data;
}

// Bins grow by an eighth of a power of two: at most 12.5 % of a block is unused.
std::int64_t bin_of(std::int64_t bytes) {
  if (bytes <= 512) return round_up(bytes, kAlign);
  const auto step =
      static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(bytes))) / 8;
  return round_up(bytes, step);
}

// Blocks of one zone share their addresses. Those that stay for a run leave no holes among those
// that come and go; and large ones, of which a few live at a time, find a hole made by large ones.
enum class Zone { staying, passing, large, count_ };
constexpr auto kZones = static_cast<std::int64_t>(Zone::count_);
constexpr std::int64_t kLarge = 64 << 20;

Zone zone_of(std::int64_t bytes, Purpose purpose) {
  const bool stays =
      purpose == Purpose::parameters || purpose == Purpose::optimizer || purpose == Purpose::data;
  return stays ? Zone::staying : bytes >= kLarge ? Zone::large : Zone::passing;
}

AddressRanges part_of(const AddressSpace& space, Zone zone) {
  const std::int64_t size = (space.end - space.begin) / kZones / kHugePage * kHugePage;
  const std::int64_t begin = space.begin + static_cast<std::int64_t>(zone) * size;
  return {begin, begin + size};
}

}  // namespace

struct Allocator::Impl {
  AllocatorOptions options;
  mutable std::mutex mutex;
  std::map<std::int64_t, std::vector<detail::Block*>> cached;
  std::vector<detail::Block*> spare;  // of those that were cut
  std::set<detail::Block*> live;      // for reports only
  MemoryStats stats;
  std::array<AddressRanges, kZones> zones;

  explicit Impl(const AllocatorOptions& o)
      : options(o),
        zones{part_of(o.space, Zone::staying), part_of(o.space, Zone::passing),
              part_of(o.space, Zone::large)} {}
  ~Impl() {
    for (auto* block : spare) delete block;
  }

  AddressRanges& zone(std::int64_t bytes, Purpose purpose) {
    return zones[static_cast<std::size_t>(zone_of(bytes, purpose))];
  }
  bool cuts(std::int64_t bytes) const {
    return options.space.end > options.space.begin && bytes >= kCutFrom;
  }

  // Null: the space is full.
  detail::Block* cut(std::int64_t bytes, Purpose purpose) {
    const std::int64_t capacity = round_up(bytes, kAlign);
    AddressRanges& from = zone(capacity, purpose);
    const std::int64_t reached = from.reached();
    const std::int64_t at = from.take(capacity);
    if (at < 0) return nullptr;
    const std::int64_t more = from.reached() - reached;
    stats.reserved += more;
    if (more > 0) ++stats.system_allocations;
    if (spare.empty()) spare.push_back(new detail::Block);
    detail::Block* block = spare.back();
    spare.pop_back();
    block->data = reinterpret_cast<void*>(at);
    block->capacity = capacity;
    block->cut = true;
    return block;
  }

  void join(detail::Block* block) {
    const auto at = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(block->data));
    zone(block->capacity, block->name.purpose).give_back(at, block->capacity);
    spare.push_back(block);
  }

  // Whole pages of [begin, end).
  void discard(std::int64_t begin, std::int64_t end) const {
    const std::int64_t from = round_up(begin, kHugePage), to = end / kHugePage * kHugePage;
    if (options.space.discard && to > from) options.space.discard(from, to - from);
  }
  void trim(AddressRanges& ranges) {
    for (const auto& hole : ranges.holes()) discard(hole.begin, hole.end);
    stats.reserved -= ranges.lower();
  }

  void count(const detail::Block& block, std::int64_t sign) {
    auto& purpose = stats.by_purpose[static_cast<std::size_t>(block.name.purpose)];
    for (auto* bytes : {&purpose, &stats.total}) {
      bytes->now += sign * block.bytes;
      bytes->peak = std::max(bytes->peak, bytes->now);
    }
  }

  void give_back(detail::Block* block) {
    if (options.source)
      options.source->release(block->data);
    else
      std::free(block->data);
    stats.reserved -= block->capacity;
    delete block;
  }

  void trim() {
    for (auto& [capacity, blocks] : cached)
      for (auto* block : blocks) give_back(block);
    cached.clear();
    for (auto& ranges : zones) trim(ranges);
  }

  void* from_source(std::int64_t capacity) const {
    if (options.source) return options.source->allocate(capacity);
    return host_memory(capacity);
  }

  detail::Block* new_block(std::int64_t capacity) {
    void* data = from_source(capacity);
    if (!data) {
      trim();
      data = from_source(capacity);
    }
    if (!data) return nullptr;
    stats.reserved += capacity;
    ++stats.system_allocations;
    return new detail::Block{
        .allocator = nullptr, .data = data, .bytes = 0, .capacity = capacity, .name = {}};
  }

  [[noreturn]] void refuse(std::int64_t bytes, BlockName name) const {
    std::string held;
    for (std::size_t i = 0; i < stats.by_purpose.size(); ++i)
      if (const std::int64_t now = stats.by_purpose[i].now; now > 0)
        held += fmt::format("{}{} {}", held.empty() ? "" : ", ",
                            gigatrain::name(static_cast<Purpose>(i)), now);
    throw Error(
        ErrorCode::out_of_memory,
        fmt::format("no memory for {} bytes of {} ('{}'); {} bytes are in use: {}", bytes,
                    gigatrain::name(name.purpose), name.what, stats.total.now, held),
        "use a smaller train.micro_batch or train.seq_len; `gigatrain plan --memory CONFIG` "
        "shows memory by purpose, and the largest micro-batch that fits");
  }
};

Allocator::Allocator(const AllocatorOptions& options) : impl_(std::make_unique<Impl>(options)) {}

Allocator::~Allocator() {
  impl_->trim();
}

detail::Block* Allocator::allocate(std::int64_t bytes, BlockName name) {
  if (bytes < 0)
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("a block's size must not be negative, got {} for '{}'", bytes, name.what));
  const bool cache = impl_->options.cache;
  const std::int64_t wanted = std::max<std::int64_t>(bytes, 1);
  const std::int64_t capacity = cache ? bin_of(wanted) : wanted;
  const std::lock_guard lock(impl_->mutex);
  detail::Block* block = nullptr;
  if (impl_->cuts(wanted)) {
    block = impl_->cut(wanted, name.purpose);
    if (!block) impl_->refuse(bytes, name);
  } else if (auto bin = impl_->cached.find(capacity);
             bin != impl_->cached.end() && !bin->second.empty()) {
    block = bin->second.back();
    bin->second.pop_back();
  } else {
    block = impl_->new_block(capacity);
    if (!block) impl_->refuse(bytes, name);
  }
  block->allocator = this;
  block->bytes = bytes;
  block->name = name;
  impl_->live.insert(block);
  impl_->count(*block, +1);
  return block;
}

void Allocator::free(detail::Block* block) {
  const std::lock_guard lock(impl_->mutex);
  impl_->count(*block, -1);
  impl_->live.erase(block);
  if (block->cut)
    impl_->join(block);
  else if (impl_->options.cache)
    impl_->cached[block->capacity].push_back(block);
  else
    impl_->give_back(block);
}

MemoryStats Allocator::stats() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->stats;
}

void Allocator::reset_peak() {
  const std::lock_guard lock(impl_->mutex);
  for (auto& bytes : impl_->stats.by_purpose) bytes.peak = bytes.now;
  impl_->stats.total.peak = impl_->stats.total.now;
}

void Allocator::trim() {
  const std::lock_guard lock(impl_->mutex);
  impl_->trim();
}

std::vector<detail::Block> Allocator::live_blocks() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<detail::Block> blocks;
  for (const auto* block : impl_->live) blocks.push_back(*block);
  std::sort(blocks.begin(), blocks.end(), [](const auto& a, const auto& b) {
    return std::tie(b.bytes, a.data) < std::tie(a.bytes, b.data);
  });
  return blocks;
}

}  // namespace gigatrain
