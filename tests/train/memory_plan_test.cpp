// A plan is exact: the blocks it counts are those of a real run, at the byte.

#include "gigatrain/train/memory_plan.h"

#include <catch2/catch.hpp>

#include <chrono>

#include "gigatrain/nn/models/llama.h"
#include "kernels/simt/simt_queue.h"
#include "support/tiny_run.h"
#include "train/state_snapshot.h"

using namespace gigatrain;

namespace {

nn::GptConfig tiny() {
  return {.vocab_size = 37, .n_positions = 12, .n_layer = 2, .n_head = 4, .n_embd = 32};
}

nn::LlamaConfig tiny_llama() {
  return {.vocab_size = 37,
          .n_positions = 12,
          .n_layer = 2,
          .n_head = 4,
          .n_kv_head = 2,
          .n_embd = 32,
          .n_inner = 48};
}

struct Case {
  const char* what;
  DType compute = DType::f32;
  DType params = DType::f32;
  BatchShape batch{.leaves = 1, .micro_batches = 1, .micro_batch = 2, .seq_len = 12};
  optim::OptimizerOptions optimizer{};
  nn::ModelSpec model = tiny();
};

std::vector<Case> cases() {
  std::vector<Case> all{{.what = "plain"}, {.what = "bf16", .compute = DType::bf16}};
  all.push_back({.what = "no f32 masters", .compute = DType::bf16, .params = DType::bf16});
  nn::GptConfig dropout = tiny(), untied = tiny(), odd = tiny();
  dropout.dropout = untied.dropout = 0.1f;
  untied.tie = false;
  odd.n_kv_head = 2;
  odd.n_embd = 36;
  all.push_back({.what = "dropout, untied head", .model = untied});
  const BatchShape four{.leaves = 4, .micro_batches = 3, .micro_batch = 2, .seq_len = 12};
  all.push_back(
      {.what = "four leaves of three", .compute = DType::bf16, .batch = four, .model = dropout});
  BatchShape ramp = four;
  ramp.ramp = {{0, 1}, {1, 4}};
  all.push_back({.what = "a batch ramp", .batch = ramp, .model = dropout});
  all.push_back({.what = "grouped heads, odd sizes",
                 .batch = {.leaves = 2, .micro_batches = 1, .micro_batch = 3, .seq_len = 11},
                 .model = odd});
  const BatchShape two{.leaves = 2, .micro_batches = 1, .micro_batch = 2, .seq_len = 12};
  nn::LlamaConfig qwen3 = tiny_llama();
  qwen3.head_dim = 12;
  qwen3.qk_norm = true;
  qwen3.tie = false;
  all.push_back({.what = "llama", .batch = two, .model = tiny_llama()});
  all.push_back({.what = "llama with norms of q and k, no f32 masters",
                 .compute = DType::bf16,
                 .params = DType::bf16,
                 .model = qwen3});
  for (const auto name : optim::optimizer_names()) {
    all.push_back({.what = name.data(), .compute = DType::bf16, .params = DType::bf16});
    all.back().optimizer = {.name = std::string(name), .ema = 0.9f};
  }
  return all;
}

// What three steps of a Trainer take.
MemoryStats train(Device& device, const Case& c) {
  test::TempFolder folder;
  test::write_shard(folder / "train.bin", 2000, c.model.vocab_size());
  const TokenSource data({folder / "train.bin"},
                         {.seq_len = c.batch.seq_len, .global_batch = c.batch.global_batch()});
  const auto model = c.model.make();
  nn::materialize(*model, device, {.compute = c.compute, .params = c.params});
  const auto optimizer = optim::make_optimizer(nn::named_parameters(*model), c.optimizer);
  Trainer trainer(*model, *optimizer, data, {.batch = c.batch, .steps = 3});
  trainer.fit();
  return device.allocator().stats();
}

void check_exact(Device& device, const Case& c) {
  INFO(c.what);
  const MemoryPlan plan = plan_memory(c.model, c.batch, {.compute = c.compute, .params = c.params},
                                      PlanTarget::of(device), c.optimizer);
  const MemoryStats real = train(device, c);
  CHECK(plan.total == real.total.peak);
  CHECK(plan.total <= plan.reserved);
  for (std::size_t i = 0; i < plan.by_purpose.size(); ++i) {
    INFO(name(static_cast<Purpose>(i)));
    CHECK(plan.by_purpose[i] == real.by_purpose[i].peak);
  }
}

}  // namespace

TEST_CASE("a plan is what a run on the CPU takes, at the byte", "[unit][train][memory]") {
  for (const auto& c : cases())
    for (const int threads : {1, 2}) {
      Device device({.threads = threads});
      check_exact(device, c);
    }
  Device narrow({.threads = 2, .isa = Isa::base, .bf16 = Bf16Products::widened});
  check_exact(narrow, cases()[1]);
}

TEST_CASE("a plan has the copy that background saves need", "[unit][train][memory][ckpt]") {
  const Case c = cases()[1];
  Device device({.threads = 1});
  PlanTarget target = PlanTarget::of(device);
  const MemoryPlan without = plan_memory(c.model, c.batch, {.compute = c.compute}, target);
  target.snapshot = true;
  const MemoryPlan plan = plan_memory(c.model, c.batch, {.compute = c.compute}, target);
  test::TempFolder folder;
  test::write_shard(folder / "train.bin", 2000, c.model.vocab_size());
  const TokenSource data({folder / "train.bin"},
                         {.seq_len = c.batch.seq_len, .global_batch = c.batch.global_batch()});
  const auto model = c.model.make();
  nn::materialize(*model, device, {.compute = c.compute});
  const auto optimizer = optim::make_optimizer(nn::named_parameters(*model), {});
  Trainer trainer(*model, *optimizer, data, {.batch = c.batch, .steps = 4});
  StateSnapshot snapshot;
  const auto alone = make_local_communicator();
  trainer.on_step([&](const StepReport& report) {
    if (report.step == 2) snapshot.take(*model, *optimizer, *alone);
  });
  trainer.fit();
  const MemoryStats real = device.allocator().stats();
  CHECK(plan.total == real.total.peak);
  CHECK(plan.of(Purpose::data) == real.by_purpose[static_cast<std::size_t>(Purpose::data)].peak);
  CHECK(plan.total > without.total);
  CHECK(plan.reserved > without.reserved);
}

TEST_CASE("a plan for a GPU is what a run of its kernels takes", "[simt][runs][memory]") {
  for (const auto& c : cases()) {
    const std::string& name = c.optimizer.name;  // the others take no workspace
    if (name != "adamw" && (c.optimizer.ema > 0 || (name != "muon" && name != "adafactor")))
      continue;
    const auto device = simt_device();
    check_exact(*device, c);
  }
}

TEST_CASE("planning GPT-2 1558M computes nothing", "[unit][train][memory]") {
  const auto start = std::chrono::steady_clock::now();
  const nn::GptConfig xl{.n_layer = 48, .n_head = 25, .n_embd = 1600};
  const PlanTarget h100 = PlanTarget::gpu(*find_gpu("h100"));
  const BatchShape batch{.leaves = 1, .micro_batches = 8, .micro_batch = 4, .seq_len = 1024};
  const MemoryPlan plan = plan_memory(xl, batch, {.compute = DType::bf16}, h100);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  CHECK(seconds < 1.0);
  const std::int64_t n = nn::parameter_count(xl);
  CHECK(plan.of(Purpose::parameters) > 6 * n - (4 << 20));  // vectors have no bf16 copy
  CHECK(plan.of(Purpose::parameters) <= 6 * n);
  CHECK(plan.of(Purpose::optimizer) >= 8 * n);
  CHECK(plan.of(Purpose::gradients) >= 4 * n);
  CHECK(plan.host.checkpoint >= 12 * n);
  CHECK(plan.total < plan.reserved);
}

TEST_CASE("the largest micro-batch fits and the next does not", "[unit][train][memory]") {
  const nn::GptConfig model{.n_layer = 2, .n_embd = 96};
  const BatchShape batch{.leaves = 2, .micro_batches = 1, .micro_batch = 1, .seq_len = 256};
  const PlanTarget gpu = PlanTarget::gpu(*find_gpu("rtx4090"));
  const std::int64_t bytes = std::int64_t{2} << 30;
  const std::int64_t best = largest_micro_batch(model, batch, {.compute = DType::bf16}, gpu, bytes);
  REQUIRE(best > 1);
  BatchShape b = batch;
  b.micro_batch = best;
  CHECK(fits(plan_memory(model, b, {.compute = DType::bf16}, gpu), gpu, bytes));
  b.micro_batch = best + 1;
  CHECK_FALSE(fits(plan_memory(model, b, {.compute = DType::bf16}, gpu), gpu, bytes));
  PlanTarget shared = gpu;
  shared.on_one_gpu = 2;
  CHECK(largest_micro_batch(model, batch, {.compute = DType::bf16}, shared, bytes) < best);
  CHECK(largest_micro_batch(model, batch, {.compute = DType::bf16}, gpu, 1 << 20) == 0);
}
