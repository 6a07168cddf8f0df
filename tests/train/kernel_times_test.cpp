// Families of kernels, and the time of a step by family on a CPU and on a queue of its own.
#include "train/kernel_times.h"

#include <catch2/catch.hpp>

#include "gigatrain/ops/ops.h"
#include "gigatrain/train/trace.h"
#include "support/timed_queue.h"
#include "support/tiny_run.h"

using namespace gigatrain;

TEST_CASE("kernel times: every kernel has a family", "[unit][report]") {
  CHECK(kernel_family("gemm") == std::string("matrix products"));
  CHECK(kernel_family("layer_norm_backward") == std::string("norm"));
  CHECK(kernel_family("adamw8bit") == std::string("optimizer"));
  CHECK(kernel_family("copy") == std::string("elementwise"));
  CHECK(kernel_family("") == std::string("elementwise"));
}

TEST_CASE("kernel times: a step by family, between start and stop only", "[unit][report]") {
  const test::TempFolder folder;
  test::write_shard(folder / "train.bin", 2000, 37);
  test::TinyRun tiny(folder / "train.bin", {}), plain(folder / "train.bin", {});
  KernelTimes times(tiny.device);
  CHECK(times.stop().empty());
  tiny.trainer->step();
  times.start();
  const StepReport report = tiny.trainer->step();
  const auto ms = times.stop();
  tiny.trainer->step();
  CHECK(times.stop().empty());
  double sum = 0;
  for (const auto& [family, time] : ms) sum += time;
  CHECK(sum <= report.step_ms);
  CHECK(sum > report.step_ms / 10);
  for (const char* family : {"matrix products", "attention", "norm", "loss", "optimizer"})
    CHECK(ms.count(family) == 1);
  CHECK(tiny.digest() == plain.digest_after(3));  // looking changes no bit
}

TEST_CASE("kernel times: a queue of its own is timed by markers", "[unit][report]") {
  Device device(std::make_unique<test::TimedQueue>());
  KernelTimes times(device);
  times.start();
  const Tensor x = Tensor::full(device, {8}, 1.0), y = ops::exp(x);
  CHECK(times.stop() == std::map<std::string, double>{{"elementwise", 2.0}});
}

TEST_CASE("kernel times: a trace goes first", "[unit][report]") {
  const test::TempFolder folder;
  Device device(CpuOptions{.threads = 1});
  KernelTimes times(device);
  Trace trace(device, folder / "trace.json", {.first_step = 1});
  times.start();
  trace.begin_step(1);
  const Tensor x = Tensor::full(device, {8}, 1.0);
  trace.end_step();
  CHECK(times.stop().empty());
}
