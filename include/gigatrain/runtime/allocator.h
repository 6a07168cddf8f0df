// Memory with a name and a purpose for every block, so that a run can say where its memory went.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace gigatrain {

enum class Purpose : std::uint8_t {
  parameters,
  gradients,
  optimizer,
  activations,
  workspace,
  data,
  count_
};
const char* name(Purpose purpose);

struct BlockName {
  Purpose purpose = Purpose::activations;
  const char* what = "tensor";  // a string literal: "layer_norm.out"
};

struct MemoryStats {
  struct Bytes {
    std::int64_t now = 0;
    std::int64_t peak = 0;
  };
  std::array<Bytes, static_cast<std::size_t>(Purpose::count_)> by_purpose{};
  Bytes total;                          // of live blocks
  std::int64_t reserved = 0;            // live and cached
  std::int64_t system_allocations = 0;  // calls that reached the operating system
};

class Allocator;

// Where an allocator's blocks come from; 64-byte aligned (256 on a GPU).
class MemorySource {
 public:
  virtual ~MemorySource() = default;
  virtual void* allocate(std::int64_t bytes) = 0;  // null: there is not so much
  virtual void release(void* data) = 0;
};

// Addresses [begin, end) that large blocks are cut from, in place of the source.
struct AddressSpace {
  std::int64_t begin = 0, end = 0;
  void (*discard)(std::int64_t at, std::int64_t bytes) = nullptr;  // whole pages, no longer used
};

struct AllocatorOptions {
  MemorySource* source = nullptr;  // null: the operating system
  AddressSpace space{};
  bool cache = true;  // false: exact sizes, given back at once; shows overruns to sanitizers
};

namespace detail {
struct Block {
  Allocator* allocator = nullptr;
  void* data = nullptr;
  std::int64_t bytes = 0;     // asked for
  std::int64_t capacity = 0;  // of the bin, or as cut
  BlockName name{};
  bool cut = false;  // from the address space
};
}  // namespace detail

// A caching allocator: a freed block goes to a bin of its rounded size and serves the next request
// of that size, so a periodic training step stops reaching the operating system after its first
// round. With an address space, blocks of 64 KiB or more are cut from it and joined again when
// freed. Thread-safe. Blocks are 64-byte aligned and not cleared.
class Allocator {
 public:
  explicit Allocator(const AllocatorOptions& options = {});
  ~Allocator();
  Allocator(const Allocator&) = delete;
  Allocator& operator=(const Allocator&) = delete;

  detail::Block* allocate(std::int64_t bytes, BlockName name);  // throws Error(out_of_memory)
  void free(detail::Block* block);

  MemoryStats stats() const;
  void reset_peak();
  void trim();  // gives cached blocks back to the operating system
  std::vector<detail::Block> live_blocks() const;  // a snapshot, largest first

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gigatrain
