// `bench step`: kernels beside the least that they could take, time outside them, memory.

#include "gigatrain/train/bench_step.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <numeric>

#include "gigatrain/base/error.h"
#include "gigatrain/ops/ops.h"
#include "kernels/elementwise.h"
#include "support/random.h"
#include "train/kernel_profile.h"

using namespace gigatrain;
using Catch::Matchers::Contains;

namespace {

Config tiny_config(const std::string& more = "") {
  return parse_config(
      "[model]\nn_layer = 2\nn_head = 2\nn_embd = 16\n[data]\ntrain = \"no/such/folder\"\n"
      "[train]\nsteps = 3\nseq_len = 12\nglobal_batch = 4\nmicro_batch = 2\nleaves = 1\n" +
          more,
      "test");
}

const KernelCalls* find(const std::vector<KernelCalls>& all, const std::string& name) {
  const auto it = std::find_if(all.begin(), all.end(), [&](auto& f) { return f.name == name; });
  return it == all.end() ? nullptr : &*it;
}

}  // namespace

TEST_CASE("a kernel adds up its calls, and the least of each", "[unit][train][bench]") {
  Device device({.threads = 1});
  const Tensor a = test::random_tensor(device, {8, 16}, "a"),
               b = test::random_tensor(device, {16, 4}, "b");
  KernelProfile profile(device);
  ops::matmul(a, b);
  ops::matmul(a, b);
  ops::add(a, a);
  profile.stop();
  ops::add(a, a);  // nobody watches any more
  // Of a product the 512 multiply-adds bind, at 1 kFLOP/s; of an add its 1536 bytes, at 1 kB/s.
  const auto kernels = profile.by_kernel({.gemm_flops = 1e3, .copy_bytes = 1e3});
  REQUIRE(kernels.size() == 2);
  const KernelCalls *gemm = find(kernels, "gemm"), *add = find(kernels, "add");
  REQUIRE(gemm);
  REQUIRE(add);
  CHECK(gemm->calls == 2);
  CHECK(gemm->flops == 2 * 2 * 8 * 16 * 4);
  CHECK(gemm->bytes == 2 * 4 * (8 * 16 + 16 * 4 + 8 * 4));
  CHECK(gemm->least_ms == Approx(2 * 1024.0));
  CHECK(gemm->ms > 0);
  CHECK(add->calls == 1);
  CHECK(add->flops == 0);
  CHECK(add->bytes == 3 * 4 * 8 * 16);
  CHECK(add->least_ms == Approx(1536.0));
  CHECK(gemm->bound == "products");
  CHECK(add->bound == "copy");
  CHECK(kernels[0].ms >= kernels[1].ms);
  // The binding limit is each call's own: products that are bound by their bytes.
  const auto slow_memory = profile.by_kernel({.gemm_flops = 1e6, .copy_bytes = 1e3});
  CHECK(find(slow_memory, "gemm")->least_ms == Approx(2 * 896.0));
}

TEST_CASE("bench step: kernels and the time outside them make the step", "[unit][train][bench]") {
  Device device({.threads = 1});
  const StepTimes t =
      bench_step(device, tiny_config(), {.steps = 3, .observed = 3, .synthetic = true});
  CHECK(t.ms.size() == 3);
  CHECK(t.median_ms > 0);
  CHECK(t.batch.tokens() == 48);
  CHECK(t.parameters > 16 * 256);
  CHECK(t.allocations == 0);
  CHECK(t.memory.total.peak > 4 * 4 * t.parameters);  // weights, gradients, two moments
  for (const char* name : {"gemm", "attention_forward", "attention_backward", "layer_norm_forward",
                           "cross_entropy", "embedding_backward", "square_sums", "adamw"}) {
    INFO(name);
    const KernelCalls* kernel = find(t.kernels, name);
    REQUIRE(kernel);
    CHECK(kernel->ms > 0);
    CHECK(kernel->least_ms > 0);
  }
  // Two layers, two micro-batches of one leaf.
  CHECK(find(t.kernels, "attention_forward")->calls == 4);
  CHECK(find(t.kernels, "adamw")->calls == 1);
  CHECK(t.outside_ms > 0);
  CHECK(t.kernels_ms() + t.outside_ms == Approx(t.observed_ms));
  // What kernels multiply is what the model says, which counts attention's forward twice over.
  double flops = 0;
  for (const auto& k : t.kernels) flops += k.flops;
  CHECK(flops == Approx(t.flops).epsilon(0.15));
}

TEST_CASE("bench step: data that are not there", "[unit][train][bench]") {
  Device device({.threads = 1});
  try {
    bench_step(device, tiny_config(), {});
    FAIL("no error");
  } catch (const Error& e) {
    CHECK_THAT(e.message(), Contains("no/such/folder"));
    CHECK_THAT(e.next(), Contains("--synthetic"));
  }
  CHECK_THROWS_WITH(bench_step(device, tiny_config(), {.steps = 0, .synthetic = true}),
                    Contains("at least one step"));
}

TEST_CASE("bench step: a state that steps on request", "[unit][train][bench]") {
  Device device({.threads = 1});
  StepBench bench(device, tiny_config(), true), again(device, tiny_config(), true);
  for (std::int64_t i = 1; i <= 3; ++i) {
    const StepReport a = bench.step(), b = again.step();
    CHECK(a.step == i);
    CHECK(a.loss == b.loss);
  }
  CHECK(bench.batch().tokens() == 48);
  CHECK(bench.flops() > 0);
}
