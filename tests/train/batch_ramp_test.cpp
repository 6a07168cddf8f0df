// A batch that grows: which samples each step has, its digest on one rank, and a run's whole story.
#include "gigatrain/train/batch_shape.h"

#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "collectives/ranks.h"
#include "gigatrain/base/error.h"
#include "gigatrain/train/array_source.h"
#include "gigatrain/train/function_source.h"
#include "gigatrain/train/session.h"
#include "gigatrain/train/training_run.h"
#include "support/tiny_run.h"

using namespace gigatrain;
using namespace gigatrain::test;
using Catch::Matchers::Contains;

namespace {

BatchShape ramped(std::vector<RampPoint> ramp, std::int64_t leaves = 8) {
  return {.leaves = leaves,
          .micro_batches = 2,
          .micro_batch = 1,
          .seq_len = 8,
          .ramp = std::move(ramp)};
}

// Steps of 4, 4, 4, 8, 8, 2, 2, ... leaves: the third begins within a step of the source.
const BatchShape kShape = ramped({{0, 4}, {3, 8}, {5, 2}});

std::string problem_of(const BatchShape& shape) {
  return error_of([&] { check_ramp(shape); });
}

struct Data {
  TempFolder folder;
  std::string path = folder / "train.bin";
  Data() { write_shard(path, 3000, 37); }
};

TinyOptions options_of(const BatchShape& shape) {
  return {.batch = shape, .steps = 8};
}

}  // namespace

TEST_CASE("a ramp is leaves by step", "[unit][train][ramp]") {
  std::int64_t sum = 0;
  for (std::int64_t step = 0; step < 9; ++step) {
    CHECK(kShape.leaves_before(step) == sum);
    CHECK(kShape.leaves_at(step) == (step < 3 ? 4 : step < 5 ? 8 : 2));
    CHECK(kShape.at(step).tokens() == kShape.leaves_at(step) * 2 * 8);
    sum += kShape.leaves_at(step);
  }
  CHECK(kShape.fewest_leaves() == 2);
  CHECK(describe_ramp(kShape) == "4 leaves, from step 3 on 8, from step 5 on 2");
  const BatchShape constant = ramped({});
  CHECK(constant.leaves_at(7) == 8);
  CHECK(constant.leaves_before(7) == 56);
}

TEST_CASE("a ramp in words, and what is wrong with it", "[unit][train][ramp][errors]") {
  CHECK(parse_batch_ramp({"0: 4", " 100 :8"}) == std::vector<RampPoint>{{0, 4}, {100, 8}});
  for (const char* text : {"", "4", "0:", ": 4", "0: 4x", "0: 4 8", "zero: 4", "0.5: 4"})
    CHECK_THAT(error_of([&] { parse_batch_ramp({text}); }),
               Contains(fmt::format("a ramp's point must be 'STEP: LEAVES', got '{}'", text)));
  CHECK(problem_of(kShape).empty());
  CHECK_THAT(problem_of(ramped({{5, 8}})), Contains("a ramp must begin at step 0, got 5"));
  CHECK_THAT(problem_of(ramped({{0, 4}, {3, 8}, {3, 4}})),
             Contains("steps must ascend, got 3 after 3"));
  CHECK_THAT(problem_of(ramped({{0, 2}, {9, 6}})),
             Contains("leaves must be a power of two, got 6 from step 9 on"));
  CHECK_THAT(problem_of(ramped({{0, 0}})), Contains("a power of two, got 0 from step 0 on"));
  CHECK_THAT(problem_of(ramped({{0, 16}})),
             Contains("at most the 8 of the global batch, got 16 from step 0 on"));
  CHECK_THAT(problem_of(ramped({{0, 2}, {9, 4}})),
             Contains("a ramp must reach the 8 leaves of the global batch, its most is 4"));
}

namespace {

// What the steps of a run ask a source for, as numbers of samples of the run.
class Recording : public BatchSource {
 public:
  explicit Recording(const BatchSource& source) : source_(source) {}
  const std::vector<nn::FieldSpec>& fields() const override { return source_.fields(); }
  std::int64_t global_batch() const override { return source_.global_batch(); }
  std::int64_t positions() const override { return source_.positions(); }
  std::uint64_t digest() const override { return source_.digest(); }
  void fill(std::int64_t step, std::int64_t first, std::int64_t count,
            FieldPointers out) const override {
    source_.fill(step, first, count, out);
    for (std::int64_t i = 0; i < count; ++i) read.push_back(step * global_batch() + first + i);
  }
  void will_need(std::int64_t step, std::int64_t first, std::int64_t) const override {
    hints.push_back(step * global_batch() + first);
  }
  mutable std::vector<std::int64_t> read, hints;

 private:
  const BatchSource& source_;
};

ArraySource rows_of_ids() {
  std::vector<std::int32_t> ids;
  for (std::int32_t i = 0; i < 50 * 8; ++i) ids.push_back(i * 7 % 37);
  return ArraySource(
      {array<std::int32_t>("tokens", {50, 8}, ids), array<std::int32_t>("targets", {50, 8}, ids)},
      {.global_batch = 16, .seed = 3});
}

void fill_ids(std::int64_t step, std::int64_t first, std::int64_t count, FieldPointers out) {
  for (void* field : out)
    for (std::int64_t i = 0; i < count * 8; ++i)
      static_cast<std::int32_t*>(field)[i] = static_cast<std::int32_t>((step + first + i) % 37);
}

}  // namespace

TEST_CASE("under a ramp every sample comes once, in the order of the data",
          "[unit][train][ramp][bits]") {
  const Data data;
  const TokenSource tokens({data.path}, {.seq_len = 8, .global_batch = 16, .seed = 5});
  const ArraySource rows = rows_of_ids();
  const FunctionSource made(fill_ids,
                            {.name = "ids", .fields = token_fields(8), .global_batch = 16});
  for (const BatchSource* one :
       {static_cast<const BatchSource*>(&tokens), static_cast<const BatchSource*>(&rows),
        static_cast<const BatchSource*>(&made)}) {
    const Recording source(*one);
    BatchShape shape = kShape;
    shape.seq_len = source.positions();
    TinyRun run(data.path, options_of(kShape));
    Trainer trainer(*run.model, *run.optimizer, source, {.batch = shape, .steps = 8, .seed = 5});
    std::int64_t samples = 0;
    for (std::int64_t step = 0; step < 8; ++step) {
      const StepReport r = trainer.step();
      CHECK(r.samples == kShape.leaves_at(step) * 2);
      CHECK(r.batch_tokens == r.samples * shape.seq_len);
      samples += r.samples;
      CHECK(r.tokens == samples * shape.seq_len);
    }
    std::vector<std::int64_t> all(static_cast<std::size_t>(samples));
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int64_t>(i);
    CHECK(source.read == all);
    CHECK(source.hints.front() == 8);  // where the second step begins
  }
}

TEST_CASE("a ramp's first steps are those of a run of as many leaves",
          "[unit][train][ramp][bits]") {
  const Data data;
  const auto digest = [&](const BatchShape& shape, std::int64_t steps) {
    return TinyRun(data.path, options_of(shape)).digest_after(steps);
  };
  CHECK(digest(kShape, 3) == digest(ramped({}, 4), 3));
  CHECK(digest(kShape, 4) != digest(ramped({}, 4), 4));
  CHECK(digest(ramped({{0, 8}}), 3) == digest(ramped({}), 3));
  TinyOptions dealt = options_of(kShape);
  dealt.order = {.blocks = 3, .strided = true};
  CHECK(TinyRun(data.path, dealt).digest_after(7) == digest(kShape, 7));
}

namespace {

// 12 steps of 2, then 4, then 8 leaves.
Config ramp_config(const TempFolder& folder, const char* name) {
  return parse_config(
      fmt::format("[run]\nname = '{1}'\ndir = '{0}'\n[model]\nn_layer = 1\nn_head = 2\n"
                  "n_embd = 32\n[data]\ntrain = '{0}/train.bin'\n[train]\nsteps = 12\nseq_len = 8\n"
                  "global_batch = 16\nmicro_batch = 1\nleaves = 8\n"
                  "batch_ramp = ['0: 2', '4: 4', '8: 8']\n[checkpoint]\nevery = 5\nkeep = 5\n",
                  folder.path(), name),
      "tiny.toml");
}

struct Teller : RunObserver {
  void on_start(const RunSummary& summary) override { shape = summary.batch; }
  void on_step(const StepLine& line) override { lines.push_back(line); }
  BatchShape shape;
  std::vector<StepLine> lines;
};

// "STEPS DIGEST" of the last checkpoint.
std::string digest_on(int ranks, int zero, Config config, RunMode mode, std::int64_t until = 12) {
  config.parallel.zero = zero;
  const auto all = on_ranks<std::string>(ranks, [&](Communicator& comm) {
    Device device({.threads = 1});
    Teller teller;
    std::int64_t asked = 0;
    const auto outcome = train_run(comm, device, config, mode, teller,
                                   [&] { return until < 12 && asked++ == until; });
    return fmt::format("{} {}", outcome.step, outcome.digest);
  });
  return all.front();
}

}  // namespace

TEST_CASE("training run: under a ramp tokens, rates and the time left follow the batch",
          "[unit][train][ramp]") {
  const TempFolder folder;
  write_shard(folder / "train.bin", 2000, 37);
  Device device({.threads = 1});
  Teller teller;
  train_run(device, ramp_config(folder, "r"), RunMode::fresh, teller);
  CHECK(describe_ramp(teller.shape) == "2 leaves, from step 4 on 4, from step 8 on 8");
  REQUIRE(teller.lines.size() == 12);
  for (std::int64_t i = 0; i < 12; ++i) {
    const StepLine& line = teller.lines[static_cast<std::size_t>(i)];
    CHECK(line.report.batch_tokens == (i < 4 ? 2 : i < 8 ? 4 : 8) * 2 * 8);
    CHECK(line.report.tokens == teller.shape.leaves_before(i + 1) * 2 * 8);
  }
  const StepLine& first = teller.lines.front();  // 54 leaves are left after the first two
  CHECK(first.eta_seconds == Approx(27 * first.report.step_ms / 1e3));
  CHECK(teller.lines.back().eta_seconds == 0);
}

TEST_CASE("training run: cut twice in a ramp, on other ranks, the same digest",
          "[unit][train][ramp][threads][bits]") {
  const TempFolder folder;
  write_shard(folder / "train.bin", 2000, 37);
  const std::string whole = digest_on(1, 0, ramp_config(folder, "whole"), RunMode::fresh);
  const Config config = ramp_config(folder, "cut");
  CHECK_THAT(digest_on(2, 2, config, RunMode::fresh, 3), Catch::StartsWith("3 "));
  CHECK_THAT(digest_on(2, 3, config, RunMode::resume, 4), Catch::StartsWith("7 "));
  Config other = config;
  other.train.batch_ramp = {"0: 2", "4: 8"};
  CHECK_THAT(
      error_of([&] { digest_on(1, 0, other, RunMode::resume); }),
      Contains("train.batch_ramp was [\"0: 2\", \"4: 4\", \"8: 8\"], is [\"0: 2\", \"4: 8\"]"));
  CHECK(digest_on(1, 0, config, RunMode::resume) == whole);
}

TEST_CASE("a ramp with fewer leaves than ranks is refused before the first step",
          "[unit][train][ramp][threads][errors]") {
  const TempFolder folder;
  write_shard(folder / "train.bin", 2000, 37);
  Config config = ramp_config(folder, "r");
  CHECK(batch_shape(config, 1000, 2).fewest_leaves() == 2);
  for (const char* numerics : {"deterministic", "fast"}) {
    config.train.numerics = numerics;
    CHECK(batch_shape(config, 1000).leaves == 8);  // those that the ramp counts
    try {
      batch_shape(config, 1000, 3);
      FAIL();
    } catch (const Error& e) {
      CHECK(e.code() == ErrorCode::invalid_argument);
      CHECK_THAT(
          e.what(),
          Contains("3 ranks need as many leaves in a step, train.batch_ramp has steps of 2"));
      CHECK_THAT(e.what(), Contains("use at most 2 ranks, or let every step have at least 4"));
    }
  }
  const auto errors = errors_of(3, [&](Communicator& comm) {
    TinyOptions o = options_of(kShape);
    o.ranks = &comm;
    TinyRun(folder / "train.bin", o);
  });
  CHECK_THAT(errors[0], Contains("has 2 leaves, which keep 1 to 2 ranks busy, got 3 ranks"));
}
