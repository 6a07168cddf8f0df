// The trace is valid JSON in Chrome's format, and what is in it nests.

#include "gigatrain/train/trace.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "gigatrain/base/error.h"
#include "gigatrain/ops/ops.h"
#include "gigatrain/runtime/memory_report.h"
#include "support/timed_queue.h"
#include "support/tiny_run.h"

using namespace gigatrain;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

struct Traced {
  test::TempFolder folder;
  std::string path = folder / "trace/rank_00000.json";
  test::TinyRun tiny;

  Traced() : tiny((test::write_shard(folder / "train.bin", 2000, 37), folder / "train.bin"), {}) {}
  json run(std::int64_t steps, const TraceOptions& options) {
    Trace trace(tiny.device, path, options);
    TrainerOptions o = tiny.trainer->options();
    o.trace = &trace;
    Trainer trainer(*tiny.model, *tiny.optimizer, tiny.data, o);
    for (std::int64_t i = 0; i < steps; ++i) trainer.step();
    return trace.recorded() ? json::parse(std::ifstream(path)) : json();
  }
};

std::vector<json> of_category(const json& trace, const std::string& category) {
  std::vector<json> events;
  for (const auto& e : trace["traceEvents"])
    if (e.value("cat", "") == category) events.push_back(e);
  return events;
}

bool has(const std::vector<json>& events, const std::string& name) {
  return std::any_of(events.begin(), events.end(),
                     [&](const json& e) { return e["name"] == name; });
}

// Complete events of one row either contain each other or do not touch.
bool nested(const json& trace) {
  std::vector<double> ends;
  for (const auto& e : trace["traceEvents"]) {
    if (e["ph"] != "X") continue;
    const double begin = e["ts"], end = begin + e["dur"].get<double>();
    while (!ends.empty() && ends.back() <= begin) ends.pop_back();
    if (!ends.empty() && end > ends.back() + 1e-2) return false;  // times have three decimals
    ends.push_back(end);
  }
  return true;
}

}  // namespace

TEST_CASE("trace: steps, phases, layers, kernels and memory of the window",
          "[unit][train][trace]") {
  Traced traced;
  const json trace = traced.run(6, {});
  const auto steps = of_category(trace, "step");
  REQUIRE(steps.size() == 3);
  CHECK(steps.front()["name"] == "step 2");
  CHECK(steps.back()["name"] == "step 4");
  const auto phases = of_category(trace, "phase");
  for (const char* name : {"data", "forward", "backward", "optimizer", "wait"}) {
    INFO(name);
    CHECK(has(phases, name));
  }
  CHECK(has(of_category(trace, "layer"), "transformer.h.1.mlp.c_fc"));
  CHECK(has(of_category(trace, "layer"), "lm_head"));
  CHECK(has(of_category(trace, "backward"), "linear of transformer.h.0.attn.c_proj"));
  CHECK(has(of_category(trace, "kernel"), "adamw"));
  CHECK(nested(trace));
  const auto memory = std::find_if(trace["traceEvents"].begin(), trace["traceEvents"].end(),
                                   [](const json& e) { return e["ph"] == "C"; });
  REQUIRE(memory != trace["traceEvents"].end());
  CHECK((*memory)["args"]["parameters"].get<std::int64_t>() > 0);
  CHECK(diagnostics().observer == nullptr);
}

TEST_CASE("trace: a device with a queue of its own has a row of its own", "[unit][train][trace]") {
  const test::TempFolder folder;
  Device device(std::make_unique<test::TimedQueue>());
  Trace trace(device, folder / "trace.json", {.first_step = 1});
  trace.begin_step(1);
  const Tensor x = Tensor::full(device, {8}, 1.0), y = ops::exp(x);
  trace.end_step();
  const json all = json::parse(std::ifstream(folder / "trace.json"));
  CHECK(has(of_category(all, "submit"), "exp"));
  const auto kernels = of_category(all, "kernel");
  REQUIRE(kernels.size() == 2);
  CHECK(kernels[0]["name"] == "fill");
  CHECK(kernels[1]["dur"] == 1000.0);  // a marker a millisecond
  CHECK(kernels[0]["tid"] != of_category(all, "submit")[0]["tid"]);
  CHECK(kernels[1]["ts"].get<double>() - kernels[0]["ts"].get<double>() == Approx(2000.0));
}

TEST_CASE("trace: a window that is not reached makes no file", "[unit][train][trace]") {
  Traced traced;
  CHECK(traced.run(1, {.first_step = 2, .steps = 1}).is_null());
  CHECK_FALSE(std::filesystem::exists(traced.path));
  CHECK_THROWS_WITH(Trace(traced.tiny.device, traced.path, {.first_step = 0}),
                    Contains("at least one step"));
}

TEST_CASE("trace: a step that throws leaves nothing behind", "[unit][train][trace]") {
  Traced traced;
  {
    Trace trace(traced.tiny.device, traced.path, {.first_step = 1});
    trace.begin_step(1);
    CHECK(diagnostics().observer != nullptr);
    trace.begin_step(2);
    trace.end_step();
    CHECK(trace.recorded() == 1);
    trace.begin_step(3);
  }
  CHECK(diagnostics().observer == nullptr);
  CHECK(json::parse(std::ifstream(traced.path))["traceEvents"].size() > 1);
  traced.tiny.trainer->step();  // no observer is left that would be told
}

TEST_CASE("tracing changes no bit", "[unit][train][trace][bits]") {
  Traced traced, plain;
  traced.run(3, {.first_step = 1});
  for (int i = 0; i < 3; ++i) plain.tiny.trainer->step();
  CHECK(traced.tiny.digest() == plain.tiny.digest());
}

TEST_CASE("memory report: purposes and largest blocks", "[unit][runtime]") {
  Device device(CpuOptions{.threads = 1});
  const auto block = [&](Purpose purpose, const char* what) {
    return Tensor::empty(device, {1 << 18}, DType::f32, {purpose, what});
  };
  const Tensor a = block(Purpose::parameters, "master"), b = block(Purpose::parameters, "master"),
               c = block(Purpose::optimizer, "exp_avg");
  const std::string report = memory_report(device, 1);
  CHECK_THAT(report, Contains("parameters           2.00         2.00"));
  CHECK_THAT(report, Contains("total                3.00         3.00"));
  CHECK_THAT(report, Contains("2 x         1.00 MiB  parameters 'master'"));
  CHECK_THAT(report, !Contains("exp_avg"));
}
