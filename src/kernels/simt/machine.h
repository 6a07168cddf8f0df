// A machine that runs the portable CUDA kernels on the host, for tests: one fiber for each thread
// of a block, blocks one after the other. What a GPU leaves undefined is an error here, or shows:
//
//   divergent barrier   some threads wait at sync() and the others have left, or wait elsewhere
//   missing barrier     shared memory is poisoned, and the three orders in which threads run give
//                       different results
//   race                the same
//   out of range        blocks and shared memory have their exact size: AddressSanitizer sees it
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <type_traits>
#include <vector>

#include "runtime/cuda/grid.h"

namespace gigatrain::simt {

enum class Order { ascending, descending, shuffled };

class Machine;

// What a kernel sees of its block (cuda/cta.cuh).
class HostCta {
 public:
  int thread() const { return thread_; }
  int lane() const { return thread_ & 31; }
  int warp() const { return thread_ / 32; }
  std::int64_t block() const { return block_x_; }
  std::int64_t block_y() const { return block_y_; }
  void sync();
  template <class T>
  T shfl_xor(T v, int mask) {
    return exchange(v, lane() ^ mask);
  }
  template <class T>
  T shfl(T v, int from_lane) {
    return exchange(v, from_lane & 31);
  }

 private:
  friend class Machine;
  template <class T>
  T exchange(T v, int from_lane) {
    static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
    std::uint64_t bits = 0;
    std::memcpy(&bits, &v, sizeof v);
    bits = exchange_bits(bits, from_lane);
    std::memcpy(&v, &bits, sizeof v);
    return v;
  }
  std::uint64_t exchange_bits(std::uint64_t bits, int from_lane);

  Machine* machine_ = nullptr;
  int thread_ = 0;
  unsigned shuffles_ = 0;
  std::int64_t block_x_ = 0, block_y_ = 0;
};

class Machine {
 public:
  explicit Machine(Order order = Order::ascending);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  Order order = Order::ascending;

  // Runs kernel(cta, shared) for every thread of every block. `name` is for messages.
  template <class Kernel>
  void launch(const Kernel& kernel, Grid grid, const char* name) {
    static_assert(Kernel::kThreads % 32 == 0 && Kernel::kThreads <= 1024);
    using Shared = typename Kernel::Shared;
    static_assert(sizeof(Shared) <= 48 * 1024, "static shared memory of a block ends at 48 KiB");
    const Call call = [](const void* k, HostCta& cta, void* shared) {
      (*static_cast<const Kernel*>(k))(cta, *static_cast<Shared*>(shared));
    };
    run({call, &kernel, Kernel::kThreads, sizeof(Shared), alignof(Shared), name}, grid);
  }

 private:
  friend class HostCta;
  using Call = void (*)(const void* kernel, HostCta&, void* shared);
  struct Launch {
    Call call;
    const void* kernel;
    int threads;
    std::size_t shared_bytes, shared_align;
    const char* name;
  };
  struct Fiber;
  enum class State { ready, at_barrier, at_shuffle, done };

  void run(const Launch& launch, Grid grid);
  void run_block(std::int64_t x, std::int64_t y);
  void resume(Fiber& fiber);
  void pause(State state);
  bool wake_warps();
  bool wake_block();
  [[noreturn]] void report_divergence() const;
  static void enter();

  Launch launch_{};
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<int> schedule_;
  std::vector<std::uint64_t> slots_[2];
  std::vector<std::byte> shared_;
  void* shared_start_ = nullptr;
  Fiber* current_ = nullptr;
  std::exception_ptr error_;
  void* scheduler_sp_ = nullptr;
  void* scheduler_fake_stack_ = nullptr;
  const void* scheduler_bottom_ = nullptr;
  std::size_t scheduler_size_ = 0;
};

}  // namespace gigatrain::simt
