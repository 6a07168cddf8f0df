// What a machine can do at best, and the floor that it sets for a call.
#include "gigatrain/train/machine_limit.h"

#include <catch2/catch.hpp>

using namespace gigatrain;
using Stores = KernelCost::Stores;

namespace {

constexpr MachineLimit kLimit{.gemm_flops = 1000,
                              .copy_bytes = 10,
                              .copy_streamed_bytes = 20,
                              .update_bytes = 40,
                              .read_bytes = 50,
                              .write_bytes = 5,
                              .write_streamed_bytes = 25,
                              .exps = 100,
                              .random_words = 200};

void check_floor(const KernelCost& cost, double seconds, const std::string& bound,
                 const MachineLimit& limit = kLimit) {
  INFO(bound);
  const Floor floor = floor_of(cost, limit);
  CHECK(floor.seconds == Approx(seconds));
  CHECK(floor.bound == bound);
}

}  // namespace

TEST_CASE("a floor goes by the kind of traffic", "[unit][train][bench]") {
  check_floor({.read = 100, .written = 100}, 20, "copy");
  check_floor({.read = 100, .written = 100, .stores = Stores::streamed}, 10, "copy, streamed");
  check_floor({.read = 100, .written = 100, .stores = Stores::in_place}, 5, "update");
  check_floor({.read = 100}, 2, "read");
  check_floor({.written = 100}, 20, "write");
  check_floor({.written = 100, .stores = Stores::streamed}, 4, "write, streamed");
  check_floor({.read = 300, .written = 100}, 20 + 4, "copy");  // as a copy, and what is left
  check_floor({.read = 10000, .written = 1}, 0.2 + 9999 / 50.0, "read");
}

TEST_CASE("a floor goes by what takes longest", "[unit][train][bench]") {
  const KernelCost bytes{.read = 100, .written = 100};  // 20 s
  const auto with = [&](double flops, double exps, double random) {
    KernelCost cost = bytes;
    cost.flops = flops, cost.exps = exps, cost.random = random;
    return cost;
  };
  check_floor(with(19000, 1900, 3900), 20, "copy");
  check_floor(with(21000, 0, 0), 21, "products");
  check_floor(with(21000, 2200, 0), 22, "exp");
  check_floor(with(21000, 2200, 4600), 23, "random");
}

TEST_CASE("what was not measured binds nothing, and bytes go at the copy rate",
          "[unit][train][bench]") {
  const MachineLimit copy{.copy_bytes = 10};
  check_floor({.read = 100}, 10, "read", copy);
  check_floor({.written = 100, .exps = 1e9, .stores = Stores::streamed}, 10, "write", copy);
  check_floor({.read = 50, .written = 50, .stores = Stores::in_place}, 10, "copy", copy);
  check_floor({.read = 100}, 0, "", {});
}

TEST_CASE("every rate of a processor is measured", "[unit][train][bench]") {
  Device device({.threads = 2});
  const MachineLimit limit = measure_limit(device, DType::f32, 0.01), twice = mean_of(limit, limit);
  for (const auto rate :
       {&MachineLimit::gemm_flops, &MachineLimit::copy_bytes, &MachineLimit::copy_streamed_bytes,
        &MachineLimit::update_bytes, &MachineLimit::read_bytes, &MachineLimit::write_bytes,
        &MachineLimit::write_streamed_bytes, &MachineLimit::exps, &MachineLimit::random_words}) {
    CHECK(limit.*rate > 1e6);
    CHECK(twice.*rate == limit.*rate);
  }
}
