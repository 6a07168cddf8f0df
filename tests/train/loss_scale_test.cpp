// Training in f16 with a loss scale: close to f32, steps that overflow change nothing, and every
// run has one digest whatever the threads, the leaves, the vector code and the restarts.
#include "gigatrain/train/loss_scale.h"

#include <catch2/catch.hpp>

#include "gigatrain/base/error.h"
#include "gigatrain/ops/ops.h"
#include "gigatrain/optim/clip.h"
#include "gigatrain/train/checkpoint_files.h"
#include "support/save_run.h"
#include "support/tiny_run.h"
#include "train/run_state.h"

using namespace gigatrain;
using Catch::Matchers::Contains;
using test::TinyOptions;
using test::TinyRun;

namespace {

struct TestData {
  test::TempFolder folder;
  std::string path = folder / "train.bin";
  TestData() { test::write_shard(path, 4000, TinyRun::kVocab); }
};

constexpr std::int64_t kSteps = 12;

// Grows every second step from the largest scale that fits, so that steps are skipped at the start
// and again later.
TinyOptions restless(bool llama = false) {
  TinyOptions o{.threads = 2, .compute = DType::f16, .llama = llama};
  o.loss_scale = {.initial = 0x1p24, .growth_interval = 2};
  o.steps = kSteps;
  return o;
}

TinyOptions f16_with(LossScaleOptions scale) {
  TinyOptions o{.threads = 2, .compute = DType::f16, .dropout = 0.0f};
  o.loss_scale = scale;
  return o;
}

}  // namespace

TEST_CASE("a loss scale halves, doubles and has ends", "[unit][train]") {
  LossScale scale({.growth_interval = 3});
  CHECK(scale.value() == 65536);
  for (int i = 0; i < 5; ++i) scale.good();
  CHECK(scale.value() == 131072);
  CHECK(scale.good_steps() == 2);
  CHECK(scale.halve());
  CHECK(scale.good_steps() == 0);
  CHECK(scale.value() == 65536);
  for (int i = 0; i < 100; ++i) scale.good();
  CHECK(scale.value() == LossScale::kMost);
  while (scale.halve()) {
  }
  CHECK(scale.value() == LossScale::kLeast);
  scale.restore(8, 2);
  scale.good();
  CHECK(scale.value() == 16);

  LossScale fixed({.fixed = 4});
  for (int i = 0; i < 3000; ++i) fixed.good();
  fixed.restore(64, 1);
  CHECK_FALSE(fixed.halve());
  CHECK(fixed.value() == 4);
  CHECK_THROWS_WITH(LossScale({.fixed = 3}), Contains("power of two") && Contains("got 3"));
  CHECK_THROWS_WITH(LossScale({.fixed = 0x1p25}), Contains("from 2^-14 to 2^24"));
  CHECK_THROWS_WITH(LossScale({.growth_interval = 0}), Contains("growth_interval"));
  CHECK_THROWS_AS(scale.restore(NAN, 0), Error);
}

TEST_CASE("the clip factor divides a loss scale out exactly", "[unit][optim]") {
  Device device({.threads = 1});
  Parameter p({3, 5}, {});
  p.set_name("p");
  p.allocate(device, DType::f32);
  const Tensor gradient = test::random_tensor(device, {3, 5}, "g");
  for (const float max_norm : {0.0f, 0.5f, 100.0f}) {
    p.grad = gradient;
    const auto want = optim::clip_scale({&p}, max_norm).to_vector<double>();
    p.grad = ops::scale(gradient, 1024.0);
    const auto got = optim::clip_scale({&p}, max_norm, {}, 1024.0).to_vector<double>();
    CHECK(got[0] == want[0]);
    CHECK(got[1] * 1024 == want[1]);
  }
}

TEST_CASE("training in f16 stays close to f32", "[unit][train]") {
  const TestData shard;
  for (const bool llama : {false, true}) {
    const auto losses = [&](DType compute) {
      TinyOptions o{.threads = 2, .compute = compute, .dropout = 0.0f, .llama = llama};
      return TinyRun(shard.path, o).losses_to(TinyRun::kSteps);
    };
    const auto want = losses(DType::f32), got = losses(DType::f16);
    for (std::size_t i = 0; i < want.size(); ++i) CHECK(got[i] == Approx(want[i]).epsilon(1e-3));
    CHECK(got.back() < got.front());
  }
}

TEST_CASE("a loss scale changes the range and no more", "[unit][train][bits]") {
  const TestData shard;
  const auto first = [&](double scale) {
    return TinyRun(shard.path, f16_with({.fixed = scale})).trainer->step();
  };
  const StepReport a = first(256), b = first(1024);
  CHECK(a.loss_scale == 256);
  CHECK(a.loss == b.loss);
  CHECK(a.grad_norm == Approx(b.grad_norm).epsilon(1e-3));  // of f16: subnormals differ
}

TEST_CASE("in f16 a step that overflows changes nothing, and the run goes on", "[unit][train]") {
  const TestData shard;
  TinyRun tiny(shard.path, f16_with({.initial = 0x1p24}));
  const auto before = tiny.digest();
  std::int64_t skipped = 0;
  StepReport r;
  while ((r = tiny.trainer->step()).skipped) {
    CHECK(r.loss_scale == std::ldexp(1.0, 24 - static_cast<int>(skipped++)));
    CHECK_THAT(r.reason, Contains("gradient norm") && Contains("loss scale"));
    REQUIRE(tiny.digest() == before);
    REQUIRE(skipped < 20);
  }
  CHECK(skipped > 0);
  CHECK(r.step == skipped + 1);
  CHECK(r.reason.empty());
  CHECK(tiny.digest() != before);
  CHECK(std::isfinite(r.grad_norm));
}

TEST_CASE("a fixed scale that overflows stops the run, and so does the smallest",
          "[unit][train][errors]") {
  const TestData shard;
  TinyRun fixed(shard.path, f16_with({.fixed = 0x1p24}));
  const auto before = fixed.digest();
  CHECK_THROWS_WITH(fixed.trainer->step(),
                    Contains("step 1: the loss is") && Contains("with loss scale 1.67772e+07"));
  CHECK(fixed.digest() == before);

  TinyRun broken(shard.path, f16_with({.initial = 0x1p-12}));
  Parameter* weight = nn::named_parameters(*broken.model).front();
  weight->value().view().as<float>()[0] = NAN;
  weight->changed();
  CHECK(broken.trainer->step().skipped);
  CHECK(broken.trainer->step().skipped);
  CHECK_THROWS_WITH(broken.trainer->step(), Contains("with loss scale 6.10352e-05"));
}

TEST_CASE("one f16 digest, through skipped steps and changes of the scale", "[unit][train][bits]") {
  const TestData shard;
  for (const bool llama : {false, true}) {
    TinyRun whole(shard.path, restless(llama));
    std::int64_t skipped = 0;
    while (whole.trainer->steps_done() < kSteps) skipped += whole.trainer->step().skipped;
    CHECK(skipped > 0);
    CHECK(skipped < kSteps - 2);
    TinyOptions o = restless(llama);
    o.threads = 1, o.order = {.blocks = 4, .strided = true};
    CHECK(TinyRun(shard.path, o).digest_after(kSteps) == whole.digest());
    for (const Isa isa : {Isa::base, Isa::avx2}) {
      if (CpuFeatures::get().best < isa || llama) continue;  // one model is enough for the classes
      o.isa = isa;
      CHECK(TinyRun(shard.path, o).digest_after(kSteps) == whole.digest());
    }
  }
}

TEST_CASE("an f16 run resumes with its loss scale, to the same bits", "[unit][train][bits]") {
  const TestData shard;
  const auto want = TinyRun(shard.path, restless()).digest_after(kSteps);
  for (const std::int64_t at : {1, 8, 11}) {
    INFO("saved after step " << at);
    test::TempFolder folder;
    TinyRun first(shard.path, restless());
    first.digest_after(at);
    TrainState state;
    state.step = at;
    state.loss_scale = first.trainer->loss_scale()->value();
    state.loss_scale_good_steps = first.trainer->loss_scale()->good_steps();
    const Checkpoint saved =
        Checkpoint::open(test::save_run(folder / "ckpt", *first.model, *first.optimizer, state));
    TinyRun second(shard.path, restless());
    restore(saved, *second.model, *second.optimizer);
    second.trainer->resume_at(at, 0);
    second.trainer->restore_loss_scale(saved.state().loss_scale,
                                       saved.state().loss_scale_good_steps);
    CHECK(second.digest_after(kSteps) == want);
  }
}

TEST_CASE("every optimizer writes the f16 copy, and skips what overflows", "[unit][optim]") {
  const TestData shard;
  for (const auto optimizer : optim::optimizer_names()) {
    INFO(optimizer);
    TinyOptions o = f16_with({.initial = 0x1p24});
    o.optimizer.name = optimizer;
    o.optimizer.ema = 0.9f;
    TinyRun tiny(shard.path, o);
    const auto before = tiny.digest();
    CHECK(tiny.trainer->step().skipped);
    CHECK(tiny.digest() == before);
    while (tiny.trainer->step().skipped) {
    }
    for (auto* p : nn::named_parameters(*tiny.model)) {
      if (p->compute_dtype() != DType::f16) continue;
      const auto master = p->value().to_vector<float>();
      const Tensor copy = p->compute_copy();
      for (std::size_t i = 0; i < master.size(); ++i)
        REQUIRE(copy.view().as<f16>()[i].bits == f16(master[i]).bits);
    }
  }
}

TEST_CASE("a master in f16 is refused", "[unit][errors]") {
  Device device({.threads = 1});
  Parameter p({2, 3}, {});
  CHECK_THROWS_WITH(p.allocate(device, DType::f16, DType::f16),
                    Contains("must be f32, or bf16 as its compute dtype, got f16"));
  CHECK_THROWS_WITH(p.allocate(device, DType::f16, DType::bf16), Contains("got bf16 beside f16"));
}
