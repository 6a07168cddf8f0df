// Whole runs on thread ranks: other numbers of them in mid-run, what they must agree on, what is
// said when one of them fails, and the memory that each needs.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "collectives/ranks.h"
#include "gigatrain/base/error.h"
#include "gigatrain/train/checkpoint_files.h"
#include "gigatrain/train/memory_plan.h"
#include "gigatrain/train/session.h"
#include "gigatrain/train/training_run.h"
#include "support/tiny_run.h"
#include "train/state_snapshot.h"

using namespace gigatrain;
using namespace gigatrain::test;
using Catch::Matchers::Contains;

namespace {

Config small_config(const TempFolder& folder, const std::string& name) {
  return parse_config(
      fmt::format("[run]\nname = '{1}'\ndir = '{0}'\n[model]\nn_layer = 2\nn_head = 4\n"
                  "n_embd = 64\ndropout = 0.1\n[data]\ntrain = '{0}/train.bin'\n"
                  "val = '{0}/train.bin'\n[train]\nsteps = 12\nseq_len = 8\nglobal_batch = 16\n"
                  "micro_batch = 1\nleaves = 16\neval_every = 5\neval_batches = 3\n"
                  "sample_every = 7\nsample_tokens = 4\n[optim]\nema = 0.9\n",
                  folder.path(), name),
      "small.toml");
}

struct StopAt : RunObserver {
  explicit StopAt(std::int64_t step) : last(step) {}
  void on_step(const StepLine& line) override { stop = line.report.step >= last; }
  void on_eval(const EvalLine& line) override { losses.push_back(line.evaluation.loss); }
  void on_sample(const std::string& text, std::int64_t) override { samples.push_back(text); }
  std::int64_t last;
  std::atomic<bool> stop{false};
  std::vector<double> losses;
  std::vector<std::string> samples;
};

RunOutcome train_on(int ranks, Config config, int zero, RunMode mode, StopAt& observer) {
  config.parallel.zero = zero;
  const auto outcomes = on_ranks<RunOutcome>(ranks, [&](Communicator& comm) {
    Device device({.threads = 1});
    return train_run(comm, device, config, mode, observer, [&] { return observer.stop.load(); });
  });
  for (const auto& outcome : outcomes)
    if (outcome.digest != outcomes.front().digest ||
        outcome.checkpoint != outcomes.front().checkpoint)
      return {.digest = "ranks differ"};
  return outcomes.front();
}

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("a run goes on with other ranks and stages, with the unbroken run's digest",
          "[ranks][train][bits][ckpt]") {
  const TempFolder folder;
  write_shard(folder / "train.bin", 3000, 256);
  StopAt never(100);
  Device device({.threads = 2});
  const RunOutcome whole = train_run(device, small_config(folder, "whole"), RunMode::fresh, never);
  struct Leg {
    int ranks, zero;
    std::int64_t until;
  };
  StopAt observer(0);
  RunOutcome outcome;
  const Config config = small_config(folder, "legs");
  for (const Leg leg : {Leg{4, 2, 3}, {1, 0, 5}, {3, 3, 9}, {16, 1, 100}}) {
    observer.last = leg.until;
    observer.stop = false;
    outcome = train_on(leg.ranks, config, leg.zero,
                       leg.until == 3 ? RunMode::fresh : RunMode::resume, observer);
  }
  CHECK(outcome.step == 12);
  CHECK(outcome.digest == whole.digest);
  CHECK(observer.losses == never.losses);
  CHECK(observer.samples == never.samples);
  for (const char* file : {"/model-00001-of-00001.safetensors", "/config.json"})
    CHECK(bytes_of(outcome.checkpoint + file) == bytes_of(whole.checkpoint + file));
}

TEST_CASE("ranks that do not mean the same run are named before it begins",
          "[unit][train][threads][errors]") {
  const TempFolder folder;
  write_shard(folder / "train.bin", 3000, 256);
  write_shard(folder / "other.bin", 2000, 256);
  const auto errors = [&](const std::function<void(Config&)>& change) {
    return errors_of(3, [&](Communicator& comm) {
      Config config = small_config(folder, "r");
      if (comm.rank() == 2) change(config);
      Device device({.threads = 1});
      RunObserver nobody;
      train_run(comm, device, config, RunMode::fresh, nobody);
    });
  };
  for (const auto& error : errors([](Config& c) { c.optim.lr = 0.5; }))
    CHECK_THAT(error, Contains("rank 2 has another configuration than rank 0: 'lr = 0.5'"));
  for (const auto& error : errors([&](Config& c) { c.data.train = {folder / "other.bin"}; }))
    CHECK_THAT(error, Contains("rank 2 has another"));
  CHECK_FALSE(std::filesystem::exists(folder / "r"));
}

TEST_CASE("more ranks than leaves, and another parallel.dp", "[unit][train][errors]") {
  const TempFolder folder;
  const Config config = small_config(folder, "r");
  CHECK_THROWS_WITH(batch_shape(config, 1000, 17),
                    Contains("17 ranks need as many leaves in a step, which has 16"));
  Config dp = config;
  dp.parallel.dp = 4;
  CHECK_THROWS_WITH(batch_shape(dp, 1000, 2), Contains("parallel.dp = 4, but the program has 2"));
  CHECK(batch_shape(dp, 1000, 4).leaves == 16);
  Config fast = config;
  fast.train.numerics = "fast";
  CHECK(batch_shape(fast, 1000, 3).leaves == 4);
  CHECK(batch_shape(fast, 1000, 3).micro_batches == 4);
}

namespace {

// Throws, or is late, where a test says so.
class Trouble : public BatchSource {
 public:
  Trouble(const BatchSource& data, std::int64_t step, std::function<void()> what)
      : data_(data), step_(step), what_(std::move(what)) {}
  const std::vector<nn::FieldSpec>& fields() const override { return data_.fields(); }
  std::int64_t global_batch() const override { return data_.global_batch(); }
  void fill(std::int64_t step, std::int64_t first, std::int64_t count,
            FieldPointers out) const override {
    if (step == step_) what_();
    data_.fill(step, first, count, out);
  }
  std::int64_t loss_terms(std::int64_t n, FieldPointers filled) const override {
    return data_.loss_terms(n, filled);
  }
  std::uint64_t digest() const override { return data_.digest(); }
  std::int64_t positions() const override { return data_.positions(); }

 private:
  const BatchSource& data_;
  std::int64_t step_;
  std::function<void()> what_;
};

std::vector<std::string> errors_with_trouble(const std::string& shard, double timeout_s,
                                             const std::function<void()>& what) {
  return errors_of(
      3,
      [&](Communicator& comm) {
        TinyRun run(shard, {.ranks = &comm, .zero = 2});
        const Trouble data(run.data, comm.rank() == 1 ? 2 : -1, what);
        Trainer trainer(*run.model, *run.optimizer, data,
                        {.batch = run.trainer->options().batch,
                         .steps = 6,
                         .seed = 5,
                         .ranks = run.sharing.get()});
        trainer.fit();
      },
      timeout_s);
}

}  // namespace

TEST_CASE("a rank that throws or stalls is named by the others, with step and phase",
          "[unit][train][threads][errors]") {
  const TempFolder folder;
  write_shard(folder / "train.bin", 2000, 37);
  const auto thrown = errors_with_trouble(
      folder / "train.bin", kPatient, [] { throw Error(ErrorCode::data, "the disk is on fire"); });
  CHECK(thrown[1] == "the disk is on fire");
  for (const int rank : {0, 2}) {
    CHECK_THAT(thrown[static_cast<std::size_t>(rank)],
               Contains("rank 1") && Contains("the disk is on fire") && Contains("step 3") &&
                   Contains("phase data") && Contains(" number "));
  }
  const auto began = std::chrono::steady_clock::now();
  const auto late = errors_with_trouble(folder / "train.bin", 0.3, [] {
    std::this_thread::sleep_for(std::chrono::milliseconds(900));
  });
  for (const int rank : {0, 2})
    CHECK_THAT(late[static_cast<std::size_t>(rank)], Contains("rank 1") &&
                                                         Contains("step 3, phase data") &&
                                                         Contains("all_reduce number"));
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(20));
}

TEST_CASE("a rank's memory is what the plan says, at every stage, with and without saves",
          "[ranks][train][memory]") {
  const bool saves = GENERATE(false, true);
  const TempFolder folder;
  write_shard(folder / "train.bin", 3000, 256);
  const Config config = small_config(folder, "m");
  const nn::ModelSpec spec = model_spec(config, make_tokenizer(config).get());
  const BatchShape batch = batch_shape(config, spec.parameters());
  for (const int ranks : {2, 3, 4})
    for (const int zero : {0, 1, 2, 3}) {
      struct Memory {
        std::int64_t planned, seen;
      };
      const auto all = on_ranks<Memory>(ranks, [&](Communicator& comm) {
        Device device({.threads = 1});
        PlanTarget target = PlanTarget::of(device);
        target.ranks = ranks, target.rank = comm.rank(), target.zero = zero;
        target.snapshot = saves;
        const optim::OptimizerOptions options = optimizer_options(config);
        const std::int64_t planned =
            plan_memory(spec, batch, weight_options(config), target, options).total;
        const auto model = build_model(device, config, spec);
        parallel::DataParallel sharing(*model, device, comm,
                                       {.leaves = batch.leaves, .zero = zero});
        device.allocator().reset_peak();
        const auto optimizer = optim::make_optimizer(nn::trainable_parameters(*model), options);
        const TokenSource data({folder / "train.bin"},
                               {.seq_len = batch.seq_len, .global_batch = batch.global_batch()});
        TrainerOptions trainer_options{.batch = batch, .steps = 3, .ranks = &sharing};
        Trainer trainer(*model, *optimizer, data, trainer_options);
        StateSnapshot snapshot;
        trainer.on_step([&](const StepReport&) {
          if (saves) snapshot.take(*model, *optimizer, comm);
        });
        trainer.fit();
        return Memory{planned, device.allocator().stats().total.peak};
      });
      for (const auto& memory : all) {
        INFO(ranks << " ranks, stage " << zero << ", saves " << saves);
        CHECK(memory.seen == memory.planned);
      }
    }
}
