#include "kernels/simt/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

// Saves the callee-saved registers and the stack pointer of one fiber and takes those of another
// (System V ABI of x86-64).
extern "C" void gt_simt_switch(void** save, void* load);
asm(R"(
.text
.globl gt_simt_switch
.type gt_simt_switch, @function
gt_simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size gt_simt_switch, .-gt_simt_switch
.section .note.GNU-stack,"",@progbits
.text
)");

namespace gigatrain::simt {

namespace {
#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kStack = 256 << 10;  // redzones take room
#else
constexpr std::size_t kStack = 64 << 10;
#endif
thread_local Machine* running = nullptr;

// AddressSanitizer must know whose stack is in use.
void leave(void** fake_stack, const void* bottom, std::size_t size) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(fake_stack, bottom, size);
#else
  (void)fake_stack, (void)bottom, (void)size;
#endif
}
void arrive(void* fake_stack, const void** bottom, std::size_t* size) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack, bottom, size);
#else
  (void)fake_stack, (void)bottom, (void)size;
#endif
}
// Frames that were left for good still have their redzones: all of those of a fiber that was given
// up, else only that of enter(), at the top.
void forget_frames(std::byte* stack, bool finished) {
#if defined(__SANITIZE_ADDRESS__)
  const std::size_t size = finished ? 4096 : kStack;
  __asan_unpoison_memory_region(stack + kStack - size, size);
#else
  (void)stack, (void)finished;
#endif
}
}  // namespace

struct Machine::Fiber {
  State state = State::ready;
  HostCta cta;
  void* sp = nullptr;
  void* fake_stack = nullptr;
  std::unique_ptr<std::byte[]> stack = std::make_unique_for_overwrite<std::byte[]>(kStack);
};

Machine::Machine(Order order_) : order(order_) {}
Machine::~Machine() = default;

void Machine::enter() {
  Machine& m = *running;
  arrive(nullptr, &m.scheduler_bottom_, &m.scheduler_size_);
  try {
    m.launch_.call(m.launch_.kernel, m.current_->cta, m.shared_start_);
  } catch (...) {
    m.error_ = std::current_exception();
  }
  m.current_->state = State::done;
  // A null fake stack: this fiber will not come back.
  leave(nullptr, m.scheduler_bottom_, m.scheduler_size_);
  gt_simt_switch(&m.current_->sp, m.scheduler_sp_);
  std::terminate();
}

void Machine::resume(Fiber& fiber) {
  current_ = &fiber;
  leave(&scheduler_fake_stack_, fiber.stack.get(), kStack);
  gt_simt_switch(&scheduler_sp_, fiber.sp);
  arrive(scheduler_fake_stack_, nullptr, nullptr);
}

void Machine::pause(State state) {
  Fiber& fiber = *current_;
  fiber.state = state;
  leave(&fiber.fake_stack, scheduler_bottom_, scheduler_size_);
  gt_simt_switch(&fiber.sp, scheduler_sp_);
  arrive(fiber.fake_stack, &scheduler_bottom_, &scheduler_size_);
}

void HostCta::sync() {
  machine_->pause(Machine::State::at_barrier);
}

// Two sets of slots, used in turn: a lane that runs ahead writes the other set.
std::uint64_t HostCta::exchange_bits(std::uint64_t bits, int from_lane) {
  auto& slots = machine_->slots_[shuffles_++ % 2];
  slots[static_cast<std::size_t>(thread_)] = bits;
  machine_->pause(Machine::State::at_shuffle);
  return slots[static_cast<std::size_t>(thread_ / 32 * 32 + from_lane)];
}

void Machine::run(const Launch& launch, Grid grid) {
  launch_ = launch;
  const auto n = static_cast<std::size_t>(launch.threads);
  while (fibers_.size() < n) fibers_.push_back(std::make_unique<Fiber>());
  for (auto& slots : slots_) slots.assign(n, 0);
  schedule_.resize(n);
  for (std::size_t i = 0; i < n; ++i)
    schedule_[i] = static_cast<int>(order == Order::descending ? n - 1 - i : i);
  if (order == Order::shuffled) {
    std::uint64_t s = 88172645463325252u;
    for (std::size_t i = n - 1; i > 0; --i) {
      s ^= s << 13, s ^= s >> 7, s ^= s << 17;
      std::swap(schedule_[i], schedule_[s % (i + 1)]);
    }
  }
  // Blocks in the order of the threads, so that work shared between blocks shows too.
  const std::int64_t blocks = grid.x * grid.y;
  for (std::int64_t i = 0; i < blocks; ++i) {
    const std::int64_t b = order == Order::descending ? blocks - 1 - i : i;
    run_block(b % grid.x, b / grid.x);
  }
}

void Machine::run_block(std::int64_t x, std::int64_t y) {
  // Exactly as large as it is, so that a sanitizer sees an access past its end.
  const std::size_t align = std::max<std::size_t>(launch_.shared_align, 16);
  void* memory = ::operator new (launch_.shared_bytes, std::align_val_t{align});
  const auto free = [align](void* p) { ::operator delete (p, std::align_val_t{align}); };
  const std::unique_ptr<void, decltype(free)> owner(memory, free);
  std::memset(memory, 0xCD, launch_.shared_bytes);
  shared_start_ = memory;
  for (int i = 0; i < launch_.threads; ++i) {
    Fiber& fiber = *fibers_[static_cast<std::size_t>(i)];
    forget_frames(fiber.stack.get(), fiber.state == State::done);
    fiber.state = State::ready;
    fiber.cta = HostCta();
    fiber.cta.machine_ = this;
    fiber.cta.thread_ = i;
    fiber.cta.block_x_ = x;
    fiber.cta.block_y_ = y;
    auto top = reinterpret_cast<std::uintptr_t>(fiber.stack.get() + kStack) & ~std::uintptr_t{15};
    auto* sp = reinterpret_cast<void**>(top);
    *--sp = nullptr;  // the caller's return address: there is none
    *--sp = reinterpret_cast<void*>(&Machine::enter);
    for (int r = 0; r < 6; ++r) *--sp = nullptr;
    fiber.sp = sp;
  }
  Machine* const before = std::exchange(running, this);
  for (;;) {
    bool ran = false;
    for (const int i : schedule_) {
      Fiber& fiber = *fibers_[static_cast<std::size_t>(i)];
      if (fiber.state != State::ready) continue;
      resume(fiber);
      ran = true;
      if (error_) break;
    }
    if (error_) break;
    const bool woke = wake_warps() || wake_block();
    if (!ran && !woke) break;
  }
  running = before;
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  for (int i = 0; i < launch_.threads; ++i)
    if (fibers_[static_cast<std::size_t>(i)]->state != State::done) report_divergence();
}

bool Machine::wake_warps() {
  bool woke = false;
  for (int first = 0; first < launch_.threads; first += 32) {
    const auto begin = fibers_.begin() + first, end = begin + 32;
    if (!std::all_of(begin, end, [](const auto& f) { return f->state == State::at_shuffle; }))
      continue;
    std::for_each(begin, end, [](auto& f) { f->state = State::ready; });
    woke = true;
  }
  return woke;
}

bool Machine::wake_block() {
  const auto begin = fibers_.begin(), end = begin + launch_.threads;
  if (!std::all_of(begin, end, [](const auto& f) { return f->state == State::at_barrier; }))
    return false;
  std::for_each(begin, end, [](auto& f) { f->state = State::ready; });
  return true;
}

void Machine::report_divergence() const {
  int at_barrier = 0, at_shuffle = 0, done = 0;
  for (int i = 0; i < launch_.threads; ++i) {
    const State s = fibers_[static_cast<std::size_t>(i)]->state;
    at_barrier += s == State::at_barrier;
    at_shuffle += s == State::at_shuffle;
    done += s == State::done;
  }
  throw std::logic_error(
      fmt::format("simt: divergent barrier in {}: of {} threads {} wait at sync(), {} at a "
                  "shuffle, {} are done",
                  launch_.name, launch_.threads, at_barrier, at_shuffle, done));
}

}  // namespace gigatrain::simt
