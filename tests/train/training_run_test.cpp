// What a whole run leaves in metrics.jsonl for its report.
#include "gigatrain/train/training_run.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "gigatrain/base/error.h"
#include "gigatrain/train/checkpoint_files.h"
#include "gigatrain/train/config.h"
#include "gigatrain/train/run_folder.h"
#include "support/tiny_run.h"
#include "train/preflight.h"
#include "train/run_log.h"

using namespace gigatrain;

namespace {

// 25 steps of a tiny GPT over bytes, with a log line in every fifth.
Config tiny_config(const test::TempFolder& folder) {
  test::write_shard(folder / "train.bin", 2000, 37);
  return parse_config(
      fmt::format("[run]\nname = 'r'\ndir = '{0}'\n[model]\nn_layer = 1\nn_head = 2\nn_embd = 8\n"
                  "[data]\ntrain = '{0}/train.bin'\n[train]\nsteps = 25\nseq_len = 8\n"
                  "global_batch = 2\nsample_every = 8\nsample_tokens = 4\nsample_prompt = '<b>'\n"
                  "[log]\nevery = 5\n",
                  folder.path()),
      "tiny.toml");
}

std::vector<nlohmann::json> lines_of(const std::string& path, const std::string& kind) {
  std::vector<nlohmann::json> lines;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);)
    if (const auto json = nlohmann::json::parse(line); json["kind"] == kind) lines.push_back(json);
  return lines;
}

}  // namespace

TEST_CASE("training run: metrics have what a report shows", "[unit][train][report]") {
  const test::TempFolder folder;
  Device device(CpuOptions{.threads = 1});
  RunObserver nobody;
  const RunOutcome outcome = train_run(device, tiny_config(folder), RunMode::fresh, nobody);
  const std::string metrics = outcome.folder + "/metrics.jsonl";
  const auto starts = lines_of(metrics, "start");
  REQUIRE(starts.size() == 1);
  CHECK(starts[0]["limit_flops"] > 1e6);
  CHECK(starts[0]["parameters"] > 1000);
  const auto profiles = lines_of(metrics, "profile");
  REQUIRE(profiles.size() == 2);  // of steps 10 and 20: never more often than every ten
  CHECK(profiles[1]["step"] == 20);
  CHECK(profiles[1]["kernel_ms"]["matrix products"] > 0);
  CHECK(profiles[1]["mem_bytes"]["parameters"] > 4000);
  const auto samples = lines_of(metrics, "sample");
  REQUIRE(samples.size() == 3);
  CHECK(samples[0]["text"].get<std::string>().starts_with("<b>"));
  const RunLog log = read_run(outcome.folder);
  CHECK(log.digest == outcome.digest);
  CHECK(log.reason == "finished");
  CHECK(log.profiles == 2);
  CHECK(log.messages.size() == (disk_warning(outcome.folder).empty() ? 0 : 1));
  CHECK(log.unreadable_lines == 0);
  CHECK(log.config.at("train.steps") == "25");
}

namespace {

// Every step and checkpoint that a run tells of, in order; `stop` is asked between steps.
struct Teller : RunObserver {
  void on_step(const StepLine& line) override {
    steps = line.report.step;
    if (meanwhile) meanwhile(steps);
  }
  void on_checkpoint(const CheckpointLine& line) override { saved.push_back(line); }
  void on_warning(const std::string& text) override { warnings.push_back(text); }
  std::int64_t steps = 0;
  std::function<void(std::int64_t)> meanwhile;
  std::vector<CheckpointLine> saved;
  std::vector<std::string> warnings;
};

Config saving_config(const test::TempFolder& folder, const char* name, bool async) {
  Config config = tiny_config(folder);
  config.run.name = name;
  config.checkpoint = {.every = 10, .keep = 5, .async = async};
  return config;
}

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("training run: saved in the background or not, the same checkpoints",
          "[unit][train][ckpt]") {
  const test::TempFolder folder;
  Device device(CpuOptions{.threads = 2});
  Teller waited, background;
  const auto a = train_run(device, saving_config(folder, "a", false), RunMode::fresh, waited);
  const auto b = train_run(device, saving_config(folder, "b", true), RunMode::fresh, background);
  CHECK(a.digest == b.digest);
  CHECK(b.checkpoint == folder / "b/ckpt/step_00000025");
  for (const auto* teller : {&waited, &background}) {
    REQUIRE(teller->saved.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(teller->saved[i].step == (i == 2 ? 25 : 10 * static_cast<std::int64_t>(i + 1)));
      CHECK(teller->saved[i].bytes > 10'000);
      CHECK(teller->saved[i].stall_ms > 0);
      CHECK(teller->saved[i].digest == waited.saved[i].digest);
    }
  }
  for (const char* name :
       {"optim-00000-of-00001.safetensors", "model-00001-of-00001.safetensors", "config.json"})
    CHECK(bytes_of(a.folder + "/ckpt/step_00000010/" + name) ==
          bytes_of(b.folder + "/ckpt/step_00000010/" + name));
  const auto lines = lines_of(b.folder + "/metrics.jsonl", "ckpt");
  REQUIRE(lines.size() == 3);
  for (const char* field : {"bytes", "ckpt_ms", "stall_ms", "bytes_per_s"})
    CHECK(lines[0][field] > 0);
}

TEST_CASE("training run: a stop waits for the checkpoint in flight", "[unit][train][ckpt]") {
  const test::TempFolder folder;
  Device device(CpuOptions{.threads = 1});
  Teller teller;
  const Config config = saving_config(folder, "r", true);
  for (const std::int64_t at : {10, 13}) {  // right behind a save, and some steps after it
    const auto outcome = train_run(device, config, at == 10 ? RunMode::fresh : RunMode::overwrite,
                                   teller, [&] { return teller.steps == at; });
    CHECK(outcome.reason == StopReason::requested);
    CHECK(outcome.step == at);
    CHECK(Checkpoint::open(outcome.folder).state().step == at);
    CHECK(verify_checkpoint(outcome.folder).whole());
    teller.steps = 0;
  }
  const auto rest = train_run(device, config, RunMode::resume, teller);
  const auto whole =
      train_run(device, saving_config(folder, "whole", false), RunMode::fresh, teller);
  CHECK(rest.digest == whole.digest);
}

TEST_CASE("training run: a background save that fails is a warning, and the run goes on",
          "[unit][train][ckpt]") {
  const test::TempFolder folder;
  Device device(CpuOptions{.threads = 1});
  Teller teller;
  // A folder where the second checkpoint's LATEST would be written.
  const std::string obstacle = fmt::format("{}/r/ckpt/LATEST.tmp.{}", folder.path(), ::getpid());
  const auto wait_until = [](auto done) {
    for (int i = 0; i < 1000 && !done(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  };
  const auto failures = [&] {
    auto warnings = lines_of(folder / "r/metrics.jsonl", "warn");
    std::erase_if(warnings, [](const auto& w) {  // of a slow disk, or one that promises less
      const auto text = w["message"].template get<std::string>();
      return text.find("training goes on") == std::string::npos;
    });
    return warnings;
  };
  teller.meanwhile = [&](std::int64_t step) {
    if (step == 15) {
      wait_until([&] { return std::filesystem::exists(folder / "r/ckpt/LATEST"); });
      std::filesystem::create_directory(obstacle);
    }
    if (step == 21)
      wait_until([&] { return std::filesystem::exists(folder / "r/ckpt/step_00000020"); });
    if (step < 22 || !std::filesystem::exists(obstacle)) return;
    CHECK(Checkpoint::open(folder / "r").state().step == 10);
    if (!failures().empty() || step == 24) {
      std::filesystem::remove(obstacle);
    } else {  // training notices after a step
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
    }
  };
  const auto outcome = train_run(device, saving_config(folder, "r", true), RunMode::fresh, teller);
  CHECK(outcome.step == 25);
  CHECK(Checkpoint::open(folder / "r").state().step == 25);
  const auto warnings = failures();
  REQUIRE(warnings.size() == 1);
  CHECK_THAT(warnings[0]["message"].get<std::string>(), Catch::Contains("step_00000020"));
}

TEST_CASE("training run: a checkpoint on request, without a stop", "[unit][train][ckpt]") {
  const test::TempFolder folder;
  Device device(CpuOptions{.threads = 1});
  Teller teller;
  CHECK_THROWS_WITH(request_checkpoint(folder / "r"), Catch::Contains("no run folder"));
  teller.meanwhile = [&](std::int64_t step) {
    if (step == 13) request_checkpoint(folder / "r");
    if (step == 17) std::ofstream{folder / "r/SAVE"};  // by hand
  };
  Config config = saving_config(folder, "r", true);
  config.checkpoint.keep = 100;
  config.checkpoint.keep_every = 0;
  const auto outcome = train_run(device, config, RunMode::fresh, teller);
  CHECK(outcome.step == 25);
  std::vector<std::int64_t> steps;
  for (const auto& entry : list_checkpoints(folder / "r")) {
    steps.push_back(entry.step);
    CHECK(verify_checkpoint(entry.folder).whole());
  }
  CHECK(steps == std::vector<std::int64_t>{10, 13, 17, 20, 25});
  CHECK_FALSE(std::filesystem::exists(folder / "r/SAVE"));
}
