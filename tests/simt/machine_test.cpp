// The host SIMT machine itself: that it runs blocks, barriers and shuffles as a GPU does, and that
// it catches kernels that are wrong (broken_kernels.cuh), each in the way machine.h promises.
#include "kernels/simt/machine.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>
#include <stdexcept>
#include <vector>

#include "gigatrain/tensor/tensor.h"
#include "kernels/simt/simt_queue.h"
#include "simt/broken_kernels.cuh"

using namespace gigatrain;
using namespace gigatrain::simt;

namespace {

constexpr Order kOrders[] = {Order::ascending, Order::descending, Order::shuffled};
constexpr std::int64_t kBlocks = 3;
constexpr std::int64_t kCount = kBlocks * broken::Reverse::kThreads;

std::vector<float> input() {
  std::vector<float> x(kCount);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i + 1);
  return x;
}

// What Kernel{x, y} writes, in one order.
template <class Kernel>
std::vector<float> result(Order order) {
  const auto x = input();
  std::vector<float> y(x.size(), 0.0f);
  Kernel kernel;
  kernel.x = x.data(), kernel.y = y.data();
  Machine(order).launch(kernel, {.x = kBlocks}, "broken");
  return y;
}

template <class Kernel>
bool orders_agree() {
  const auto first = result<Kernel>(Order::ascending);
  return result<Kernel>(Order::descending) == first && result<Kernel>(Order::shuffled) == first;
}

}  // namespace

TEST_CASE("simt: a right kernel gives its result in every order", "[simt]") {
  for (const Order order : kOrders) {
    const auto y = result<broken::Reverse>(order);
    for (std::int64_t i = 0; i < kCount; ++i) {
      const std::int64_t block = i / 64, mirrored = block * 64 + 63 - i % 64;
      REQUIRE(y[static_cast<std::size_t>(i)] == static_cast<float>(mirrored + 1));
    }
  }
}

TEST_CASE("simt: a missing barrier shows", "[simt]") {
  CHECK_FALSE(orders_agree<broken::ReverseWithoutBarrier>());
  CHECK_FALSE(orders_agree<broken::ReuseWithoutBarrier>());
  // In ascending order thread 0 reads what thread 63 has not written yet: poison.
  const auto poisoned = result<broken::ReverseWithoutBarrier>(Order::ascending);
  CHECK(poisoned[0] < -1e8f);
}

TEST_CASE("simt: a race shows", "[simt]") {
  CHECK_FALSE(orders_agree<broken::SharedRace>());
  CHECK_FALSE(orders_agree<broken::GlobalRace>());
}

TEST_CASE("simt: a divergent barrier is an error that says who waits where", "[simt]") {
  using Catch::Matchers::Contains;
  for (const Order order : kOrders) {
    Machine machine(order);
    std::vector<float> y(64);
    broken::DivergentExit exits;
    CHECK_THROWS_AS(machine.launch(exits, {.x = 2}, "layer_norm"), std::logic_error);
    CHECK_THROWS_WITH(machine.launch(exits, {.x = 2}, "layer_norm"),
                      Contains("divergent barrier in layer_norm") &&
                          Contains("of 64 threads 48 wait at sync(), 0 at a shuffle, 16 are done"));
    CHECK_THROWS_WITH(
        machine.launch(broken::DivergentShuffle{}, {}, "softmax"),
        Contains("softmax") && Contains("2 wait at sync(), 62 at a shuffle, 0 are done"));
    // The machine is as good as new afterwards.
    const auto x = input();
    machine.launch(broken::Reverse{.x = x.data(), .y = y.data()}, {}, "reverse");
    CHECK(y[0] == 64.0f);
  }
}

namespace {

// Every thread adds what its block sees of itself, twice: once before a barrier, once after.
struct Facts {
  static constexpr int kThreads = 96;
  struct Shared {
    int warps[kThreads];
  };
  std::int64_t* out;  // (y, x, thread)
  std::int64_t width;
  template <class Cta>
  void operator()(Cta& cta, Shared& s) const {
    s.warps[cta.thread()] = cta.warp() * 100 + cta.lane();
    cta.sync();
    const std::int64_t at = (cta.block_y() * width + cta.block()) * kThreads + cta.thread();
    out[at] +=
        s.warps[(cta.thread() + 33) % kThreads] + 10000 * cta.block() + 100000 * cta.block_y();
  }
};

struct Shuffles {
  static constexpr int kThreads = 64;
  struct Shared {
    double slots[2];
  };
  double *sums, *total;
  int* from;
  std::uint64_t* wide;
  template <class Cta>
  void operator()(Cta& cta, Shared& s) const {
    const int t = cta.thread();
    sums[t] = kernels::cuda::warp_sum(cta, static_cast<double>(t));
    total[t] = kernels::cuda::block_sum<kThreads>(cta, static_cast<double>(t), s.slots);
    from[t] = cta.shfl(1000 + t, 5) + cta.shfl(t, cta.lane() + 1);
    wide[t] = cta.shfl_xor(~std::uint64_t{0} - static_cast<std::uint64_t>(t), 16);
  }
};

struct Visits {
  static constexpr int kThreads = 32;
  struct Shared {};
  std::vector<std::pair<std::int64_t, std::int64_t>>* seen;
  template <class Cta>
  void operator()(Cta& cta, Shared&) const {
    if (cta.thread() == 0) seen->emplace_back(cta.block(), cta.block_y());
  }
};

struct Throws {
  static constexpr int kThreads = 64;
  struct Shared {};
  int* reached;
  template <class Cta>
  void operator()(Cta& cta, Shared&) const {
    if (cta.thread() == 7) throw std::out_of_range("from thread 7");
    cta.sync();
    ++*reached;
  }
};

}  // namespace

TEST_CASE("simt: a thread knows its place, and barriers order shared memory", "[simt]") {
  for (const Order order : kOrders) {
    constexpr std::int64_t kX = 3, kY = 2;
    std::vector<std::int64_t> out(kX * kY * Facts::kThreads);
    Machine(order).launch(Facts{.out = out.data(), .width = kX}, {.x = kX, .y = kY}, "facts");
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(out.size()); ++i) {
      const std::int64_t thread = (i % 96 + 33) % 96, x = i / 96 % kX, y = i / 96 / kX;
      REQUIRE(out[static_cast<std::size_t>(i)] ==
              thread / 32 * 100 + thread % 32 + 10000 * x + 100000 * y);
    }
  }
}

TEST_CASE("simt: shuffles exchange within a warp, any type of up to eight bytes", "[simt]") {
  for (const Order order : kOrders) {
    std::vector<double> sums(64), total(64);
    std::vector<int> from(64);
    std::vector<std::uint64_t> wide(64);
    Machine(order).launch(
        Shuffles{
            .sums = sums.data(), .total = total.data(), .from = from.data(), .wide = wide.data()},
        {}, "shuffles");
    for (int t = 0; t < 64; ++t) {
      const auto i = static_cast<std::size_t>(t);
      const int warp = t / 32 * 32;
      REQUIRE(sums[i] == 31 * 16 + 32 * warp);
      REQUIRE(total[i] == 63 * 32);
      REQUIRE(from[i] == 1000 + warp + 5 + warp + (t + 1) % 32);
      REQUIRE(wide[i] == ~std::uint64_t{0} - static_cast<std::uint64_t>(t ^ 16));
    }
  }
}

TEST_CASE("simt: every block runs once, x fastest, backwards in descending order", "[simt]") {
  std::vector<std::pair<std::int64_t, std::int64_t>> up, down, none;
  Machine(Order::ascending).launch(Visits{&up}, {.x = 3, .y = 2}, "visits");
  CHECK(up == decltype(up){{0, 0}, {1, 0}, {2, 0}, {0, 1}, {1, 1}, {2, 1}});
  Machine(Order::descending).launch(Visits{&down}, {.x = 3, .y = 2}, "visits");
  std::reverse(down.begin(), down.end());
  CHECK(down == up);
  Machine().launch(Visits{&none}, {.x = 0}, "visits");
  Machine().launch(Visits{&none}, {.x = 5, .y = 0}, "visits");
  CHECK(none.empty());
}

TEST_CASE("simt: a misaligned pack is an error, as on a GPU", "[simt]") {
  alignas(16) float x[8] = {}, y[4] = {};
  broken::Misaligned kernel;
  kernel.x = x, kernel.y = y;
  CHECK_THROWS_WITH(Machine().launch(kernel, {}, "broken"), Catch::Matchers::Contains("aligned"));
}

TEST_CASE("simt: an exception in a kernel reaches the caller", "[simt]") {
  for (const Order order : kOrders) {
    Machine machine(order);
    int reached = 0;
    CHECK_THROWS_AS(machine.launch(Throws{&reached}, {.x = 2}, "throws"), std::out_of_range);
    CHECK(reached == 0);
    std::vector<std::pair<std::int64_t, std::int64_t>> seen;
    machine.launch(Visits{&seen}, {}, "visits");
    CHECK(seen.size() == 1);
  }
}

TEST_CASE("simt: the device has memory of its own, of exact size, and knows what ran", "[simt]") {
  const auto device = simt_device();
  CHECK_FALSE(device->is_cpu());
  CHECK_FALSE(device->host_memory());
  CHECK(device->facts().kind == "simt");
  const Tensor x = Tensor::full(*device, {3}, 2.0);
  CHECK(x.to_vector<double>() == std::vector<double>{2, 2, 2});
  auto& queue = dynamic_cast<SimtQueue&>(*device->backend());
  CHECK(queue.seen == std::set<std::string>{"fill"});
  CHECK(device->allocator().stats().reserved == 12);
}

// These two abort: tests/simt/broken.cmake runs them in a build with AddressSanitizer, and expects
// its report. Hidden from every other run.
TEST_CASE("simt: a kernel that leaves shared memory", "[.out_of_range]") {
  result<broken::OutOfShared>(Order::ascending);
}
TEST_CASE("simt: a kernel that leaves global memory", "[.out_of_range]") {
  const std::vector<float> x(64);
  std::vector<float> y(64);
  broken::OutOfGlobal kernel;
  kernel.x = x.data(), kernel.y = y.data();
  Machine().launch(kernel, {}, "broken");
}
