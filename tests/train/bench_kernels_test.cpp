// The table of bytes that each GPU kernel moves, at the shapes of GPT-2 124M.

#include "gigatrain/train/bench_kernels.h"

#include <catch2/catch.hpp>

#include <algorithm>

#include "kernels/table.h"
#include "train/kernel_cases.h"

using namespace gigatrain;

TEST_CASE("every kernel is timed", "[unit][train][bench]") {
  const auto cases = kernel_cases(1);
  const auto timed = [&](const std::string& kernel) {
    return std::any_of(cases.begin(), cases.end(), [&](const KernelCase& c) {
      return c.name == kernel || c.name.starts_with(kernel + ",");
    });
  };
#define GT_IS_TIMED(Args)               \
  {                                     \
    INFO(kernels::Args::kName);         \
    CHECK(timed(kernels::Args::kName)); \
  }
  GT_EACH_KERNEL(GT_IS_TIMED)
#undef GT_IS_TIMED
}

// The exceptions, and what they are allowed.
static double allowed_ratio(const KernelBytes& k, DType dtype) {
  if (dtype == DType::f32 && k.name == "cross_entropy") return 1.51;  // its rows outgrow the cache
  if (dtype == DType::f32 && k.name == "embedding_backward") return 1.16;  // dout for each table
  if (k.name == "adafactor") return 1.75;  // the gradient, three times, and sums of rows of it
  return 1.1;
}

TEST_CASE("our GPU kernels move at most a tenth more than they must", "[unit][train][bench]") {
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const auto& k : kernel_bytes({.dtype = dtype})) {
      const auto bytes = static_cast<double>(k.cost.least());
      INFO(name(dtype) << " " << k.name << " " << k.shape << ": " << k.moved / bytes);
      CHECK(bytes > 0);
      if (k.moved > 0)
        CHECK(k.moved <= allowed_ratio(k, dtype) * bytes);  // 0: cuBLASLt or cuDNN decides
    }
}

TEST_CASE("kernels are timed beside limits measured in the same run", "[unit][train][bench]") {
  Device device({.threads = 1});
  int seen = 0;
  const KernelBench bench =
      bench_kernels(device, {.dtype = DType::bf16, .filter = "layer_norm_forward, residual, drop"},
                    [&](const KernelTime&) { ++seen; });
  REQUIRE(bench.times.size() == 1);
  CHECK(seen == 1);
  CHECK(bench.limit.copy_bytes > 0);
  CHECK(bench.gemm_f32 > 0);
  const KernelTime& t = bench.times[0];
  CHECK(t.ms > 0);
  CHECK(t.percent_of_limit > 0);
  CHECK(t.call.cost.least() > 4 * 2 * 1024 * 768);  // x, delta, sum, y
}
