// Training on a GPU: one digest for every dealing of the leaves, for two runs and after a restart;
// the CPU's losses and the CPU's text; faults that say what happened.

#include <catch2/catch.hpp>
#include <set>

#include "gigatrain/train/checkpoint_files.h"
#include "gigatrain/train/evaluate.h"
#include "gigatrain/train/generate.h"
#include "gpu/gpu_device.h"
#include "support/save_run.h"
#include "support/tiny_run.h"
#include "train/run_state.h"

using namespace gigatrain;
using namespace gigatrain::test;

namespace {

struct TestData {
  TempFolder folder;
  std::string path = folder / "train.bin";
  explicit TestData(std::int64_t vocab = TinyRun::kVocab) { write_shard(path, 4000, vocab); }
};

std::string save(TinyRun& run, const TempFolder& folder) {
  TrainState state;
  state.step = run.trainer->steps_done();
  state.tokens = run.trainer->tokens_done();
  if (run.device.backend()) state.algorithms = run.device.backend()->algorithms();
  return save_run(folder / "ckpt", *run.model, *run.optimizer, state);
}

void load(TinyRun& run, const std::string& folder) {
  const Checkpoint checkpoint = Checkpoint::open(folder);
  if (run.device.backend()) run.device.backend()->set_algorithms(checkpoint.state().algorithms);
  restore(checkpoint, *run.model, *run.optimizer);
  run.trainer->resume_at(checkpoint.state().step, checkpoint.state().tokens);
}

}  // namespace

TEST_CASE("gpu: one digest for two runs and for every dealing of the leaves",
          "[gpu][train][bits]") {
  Device* gpu = gpu_device();
  if (!gpu) return;
  const TestData shard;
  for (const DType compute : {DType::f32, DType::bf16, DType::f16}) {
    INFO(name(compute));
    const auto run = [&](LeafOrder order) {
      return TinyRun(shard.path, {.compute = compute, .order = order}, *gpu)
          .digest_after(TinyRun::kSteps);
    };
    const auto expected = run({});
    CHECK(run({}) == expected);
    for (const std::int64_t blocks : {2, 4, 8, 3})
      for (const bool strided : {false, true}) {
        INFO(blocks << (strided ? " strided" : " contiguous"));
        CHECK(run({.blocks = blocks, .strided = strided}) == expected);
      }
  }
}

TEST_CASE("gpu: every optimizer has the CPU's losses, and resumes with the same bits",
          "[gpu][train][bits]") {
  Device* gpu = gpu_device();
  if (!gpu) return;
  const TestData shard;
  for (const auto name : optim::optimizer_names()) {
    INFO(name);
    TinyOptions options{.threads = 2};
    options.optimizer.name = name;
    options.optimizer.ema = 0.9f;
    if (name == "sgd") options.lr = 0.1f;
    TinyRun whole(shard.path, options, *gpu);
    const auto losses = whole.losses_to(TinyRun::kSteps);
    const auto want = TinyRun(shard.path, options).losses_to(TinyRun::kSteps);
    for (std::size_t i = 0; i < want.size(); ++i) CHECK(losses[i] == Approx(want[i]).epsilon(2e-3));
    const TempFolder folder;
    TinyRun first(shard.path, options, *gpu), second(shard.path, options, *gpu);
    first.digest_after(3);
    load(second, save(first, folder));
    CHECK(second.digest_after(TinyRun::kSteps) == whole.digest());
  }
}

TEST_CASE("gpu: save and resume at any step gives the same bits", "[gpu][train][bits]") {
  Device* gpu = gpu_device();
  if (!gpu) return;
  const TestData shard;
  const TinyOptions options{.compute = DType::bf16};
  const auto expected = TinyRun(shard.path, options, *gpu).digest_after(TinyRun::kSteps);
  for (std::int64_t at = 0; at < TinyRun::kSteps; ++at) {
    INFO("saved after step " << at);
    const TempFolder folder;
    TinyRun first(shard.path, options, *gpu);
    first.digest_after(at);
    const std::string saved = save(first, folder);
    auto fresh = open_gpu();  // as a new process would
    REQUIRE(fresh);
    TinyRun second(shard.path, options, *fresh);
    load(second, saved);
    CHECK(second.digest_after(TinyRun::kSteps) == expected);
  }
}

TEST_CASE("gpu: a checkpoint goes on on the CPU, and back", "[gpu][train]") {
  Device* gpu = gpu_device();
  if (!gpu) return;
  const TestData shard;
  const TempFolder folder, back;
  TinyRun on_gpu(shard.path, {}, *gpu), on_cpu(shard.path, {});
  on_gpu.digest_after(2);
  load(on_cpu, save(on_gpu, folder));  // restore() checks the digest
  CHECK(on_cpu.digest() == on_gpu.digest());
  on_cpu.digest_after(3);
  load(on_gpu, save(on_cpu, back));
  CHECK(on_cpu.digest() == on_gpu.digest());
}

TEST_CASE("gpu: losses and gradient norms are the CPU's", "[gpu][train]") {
  Device* gpu = gpu_device();
  if (!gpu) return;
  const TestData shard;
  for (const DType compute : {DType::f32, DType::bf16, DType::f16}) {
    INFO(name(compute));
    const double limit = compute == DType::f32 ? 1e-4 : 1e-2;
    TinyRun want(shard.path, {.compute = compute}), got(shard.path, {.compute = compute}, *gpu);
    for (std::int64_t step = 0; step < TinyRun::kSteps; ++step) {
      const StepReport a = got.trainer->step(), b = want.trainer->step();
      CHECK(a.loss == Approx(b.loss).epsilon(limit));
      CHECK(a.grad_norm == Approx(b.grad_norm).epsilon(10 * limit));
    }
    CHECK(evaluate(*got.model, *gpu, got.data, 7).loss ==
          Approx(evaluate(*want.model, want.device, want.data, 7).loss).epsilon(limit));
  }
}

TEST_CASE("gpu: a steady step allocates nothing from the system", "[gpu][train]") {
  Device* gpu = gpu_device();
  if (!gpu) return;
  const TestData shard;
  TinyRun tiny(shard.path, {}, *gpu);
  tiny.digest_after(2);
  const auto before = gpu->allocator().stats().system_allocations;
  tiny.losses_to(5);
  CHECK(gpu->allocator().stats().system_allocations == before);
}

TEST_CASE("gpu: a token outside the vocabulary ends the step before the weights change",
          "[gpu][train][errors]") {
  Device* gpu = gpu_device();
  if (!gpu) return;
  const TestData shard(3 * TinyRun::kVocab);  // data of another tokenizer
  TinyRun tiny(shard.path, {}, *gpu);
  const auto before = tiny.digest();
  CHECK_THROWS_WITH(tiny.trainer->step(), Catch::Matchers::Contains("must be in [0, 37)"));
  CHECK(tiny.digest() == before);
}

TEST_CASE("gpu: the most likely text is the CPU's", "[gpu][train]") {
  Device* gpu = gpu_device();
  if (!gpu) return;
  Device cpu;
  const auto text = [](Device& device) {
    const auto model = nn::gpt({.vocab_size = 101,
                                .n_positions = 24,
                                .n_layer = 2,
                                .n_head = 4,
                                .n_kv_head = 2,
                                .n_embd = 64,
                                .init_std = 0.2f});
    nn::materialize(*model, device, {.compute = DType::f32, .seed = 3});
    // Past the context of 24, so that the cache is rebuilt too.
    return generate(*model, device, {1, 2, 3}, {.max_tokens = 60, .temperature = 0});
  };
  const auto want = text(cpu);
  CHECK(std::set<std::int32_t>(want.begin(), want.end()).size() > 5);  // no constant text
  CHECK(text(*gpu) == want);
}
