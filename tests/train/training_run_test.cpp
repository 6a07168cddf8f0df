// What a whole run leaves in metrics.jsonl for its report.
#include "gigatrain/train/training_run.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "gigatrain/train/config.h"
#include "support/tiny_run.h"
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
  CHECK(log.messages.empty());
  CHECK(log.unreadable_lines == 0);
  CHECK(log.config.at("train.steps") == "25");
}
