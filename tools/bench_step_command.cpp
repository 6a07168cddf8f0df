// `gigatrain bench step`: the training step of a configuration, and where its time and memory go.

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli.h"
#include "gigatrain/train/bench_step.h"
#include "gigatrain/train/session.h"
#include "machine_rates.h"
#include "presets.h"
#include "progress.h"

namespace gigatrain::tools {

namespace {

using Json = nlohmann::ordered_json;

struct Options {
  ConfigChoice config;
  StepBenchOptions bench;
  std::int64_t micro_batch = 0;
  bool on_request = false;
};

// A preset's step: one micro-batch of 1,024 tokens a sequence.
std::string preset_batch(const Device& device) {
  return fmt::format(
      "[train]\nsteps = 1000\nseq_len = 1024\nglobal_batch = 1\nmicro_batch = 1\nleaves = 1\n"
      "[schedule]\nwarmup = 100\n[precision]\ncompute = \"{}\"\n",
      device.is_cpu() ? "f32" : "bf16");
}

Config config_of(const Options& o, const Device& device) {
  ConfigChoice choice = o.config;
  if (o.micro_batch < 0)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("--micro-batch must be at least 1, got {}", o.micro_batch));
  if (o.micro_batch > 0)
    for (const char* key : {"train.micro_batch", "train.global_batch"})
      choice.overrides.push_back(fmt::format("{}={}", key, o.micro_batch));
  if (o.micro_batch > 0)
    for (const char* one : {"train.leaves=1", "train.batch_ramp=[]"})
      choice.overrides.push_back(one);
  return read_config(choice, preset_batch(device), "time");
}

double percent(double part, double whole) {
  return whole > 0 ? 100 * part / whole : 0;
}

Json json_of(const MemoryStats& memory) {
  Json j;
  for (std::size_t i = 0; i < memory.by_purpose.size(); ++i)
    j[name(static_cast<Purpose>(i))] = memory.by_purpose[i].peak;
  j["peak"] = memory.total.peak;
  j["reserved"] = memory.reserved;
  return j;
}

Json json_of(const KernelCalls& f, double observed_ms) {
  return {{"name", f.name},
          {"ms", f.ms},
          {"percent_of_step", percent(f.ms, observed_ms)},
          {"calls", f.calls},
          {"bytes", f.bytes},
          {"flops", f.flops},
          {"least_ms", f.least_ms},
          {"bound", f.bound},
          {"percent_of_limit", percent(f.least_ms, f.ms)}};
}

Json to_json(const StepTimes& t, const DeviceFacts& facts, const char* dtype) {
  Json j = {{"bench", "step"},
            {"device", facts.model},
            {"threads", facts.processors},
            {"gemm_flops", {{dtype, t.limit.gemm_flops}}},
            {"parameters", t.parameters},
            {"dtype", dtype},
            {"leaves", t.batch.leaves},
            {"micro_batches", t.batch.micro_batches},
            {"micro_batch", t.batch.micro_batch},
            {"seq_len", t.batch.seq_len},
            {"ms", t.median_ms},
            {"steps_ms", t.ms},
            {"tokens_per_s", t.tokens_per_s()},
            {"flops_per_s", t.flops_per_s()},
            {"percent_of_limit", t.percent_of_limit()},
            {"observed_ms", t.observed_ms},
            {"kernels_ms", t.kernels_ms()},
            {"outside_ms", t.outside_ms},
            {"system_allocations", t.allocations},
            {"memory", json_of(t.memory)},
            {"families", Json::array()}};
  for (const auto& k : t.kernels) j["families"].push_back(json_of(k, t.observed_ms));
  j.update(rates_of(t.limit));
  return j;
}

void print_kernels(const StepTimes& t) {
  fmt::print("\n{:<26} {:>10} {:>7} {:>6} {:>9} {:>9} {:>10} {:>9}  {}\n", "kernel", "ms", "share",
             "calls", "GB/s", "GFLOP/s", "least ms", "of limit", "bound");
  const auto row = [&](const std::string& name, double ms, std::int64_t calls) {
    return fmt::format("{:<26} {:>10.3f} {:>5.1f} % {:>6}", name, ms, percent(ms, t.observed_ms),
                       calls > 0 ? std::to_string(calls) : "");
  };
  double least = 0;
  std::int64_t calls = 0;
  for (const auto& f : t.kernels) {
    least += f.least_ms, calls += f.calls;
    fmt::print("{} {:>9.1f} {:>9} {:>10.3f} {:>7.0f} %  {}\n", row(f.name, f.ms, f.calls),
               f.bytes / f.ms / 1e6, f.flops > 0 ? fmt::format("{:.1f}", f.flops / f.ms / 1e6) : "",
               f.least_ms, percent(f.least_ms, f.ms), f.bound);
  }
  fmt::print("{} {:>9} {:>9} {:>10.3f} {:>7.0f} %\n", row("all kernels", t.kernels_ms(), calls), "",
             "", least, percent(least, t.kernels_ms()));
  fmt::print("{:<26} {:>10.3f} {:>5.1f} %\n\n", "outside kernels", t.outside_ms,
             percent(t.outside_ms, t.observed_ms));
}

void print_memory(const StepTimes& t) {
  std::string text;
  for (std::size_t i = 0; i < t.memory.by_purpose.size(); ++i)
    if (const std::int64_t peak = t.memory.by_purpose[i].peak; peak > 0)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name(static_cast<Purpose>(i)),
                          format_bytes(static_cast<double>(peak)));
  fmt::print("memory   {} at the peak: {}\n",
             format_bytes(static_cast<double>(t.memory.total.peak)), text);
  fmt::print("         {} allocations in {} steady steps\n", t.allocations, t.ms.size());
}

void print(const StepTimes& t, const DeviceFacts& facts, const char* dtype) {
  const auto [low, high] = std::minmax_element(t.ms.begin(), t.ms.end());
  fmt::print("device   {}, {}; products {:.0f} GFLOP/s in {}\n", facts.model, facts.isa,
             t.limit.gemm_flops / 1e9, dtype);
  fmt::print("limits   {}\n", format_rates(t.limit));
  fmt::print("step     {} parameters, {} tokens = {} leaves x {} micro-batches x {} x {}\n",
             format_count(static_cast<double>(t.parameters)), t.batch.tokens(), t.batch.leaves,
             t.batch.micro_batches, t.batch.micro_batch, t.batch.seq_len);
  fmt::print("time     {:.2f} ms, the median of {} steps ({:.2f} to {:.2f})\n", t.median_ms,
             t.ms.size(), *low, *high);
  fmt::print("         {:.0f} tokens/s, {:.1f} GFLOP/s, {:.0f} % of the product rate\n",
             t.tokens_per_s(), t.flops_per_s() / 1e9, t.percent_of_limit());
  print_kernels(t);
  print_memory(t);
}

// The most memory that this process has had, as Linux counts it; 0 elsewhere.
std::int64_t peak_bytes() {
  std::ifstream status("/proc/self/status");
  std::int64_t kib = 0;
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) std::istringstream(line.substr(6)) >> kib;
  return kib << 10;
}

// A step for each line of standard input, so that another program's steps can stand between ours.
int serve(Device& device, const Config& config, const Options& o) {
  const std::int64_t start_bytes = peak_bytes();
  StepBench bench(device, config, o.bench.synthetic);
  const auto say = [](const Json& j) {
    fmt::print("{}\n", j.dump());
    std::fflush(stdout);
  };
  say({{"parameters", bench.parameters()},
       {"tokens", bench.batch().tokens()},
       {"start_bytes", start_bytes}});
  for (std::string line; std::getline(std::cin, line);) {
    const StepReport r = bench.step();
    say({{"ms", r.step_ms}, {"loss", r.loss}});
  }
  return kOk;
}

int run(const Globals& globals, Options o) {
  const auto device = make_device(globals);
  if (!o.config.model.empty()) o.bench.synthetic = true;
  const Config config = config_of(o, *device);
  if (o.on_request) return serve(*device, config, o);
  const StepTimes times = bench_step(*device, config, o.bench);
  const char* dtype = name(compute_dtype(config));
  if (globals.json)
    fmt::print("{}\n", to_json(times, device->facts(), dtype).dump());
  else
    print(times, device->facts(), dtype);
  return kOk;
}

}  // namespace

void add_bench_step(CLI::App& app, const Globals& globals, Action& action) {
  auto* command = app.add_subcommand("step", "time a training step, by kernel");
  command->footer(
      "A kernel's limit is what its calls could take at least: each its bytes, exponentials, "
      "random\n"
      "words or products at the rate measured in the same run, whichever takes longest. More than\n"
      "100 %: its data were still in a cache.\n"
      "Examples: gigatrain bench step examples/recipes/bible.toml --synthetic\n"
      "          gigatrain bench step --model gpt2 precision.compute=bf16 --micro-batch 4 --json");
  auto o = std::make_shared<Options>();
  command->add_option("config", o->config.file, "configuration file (TOML)");
  command->add_option("overrides", o->config.overrides, "key=value");
  command->add_option("--model", o->config.model,
                      "in place of a file, on made-up tokens: " + preset_names());
  command->add_option("--micro-batch", o->micro_batch,
                      "a step of one micro-batch of this many sequences");
  command->add_flag("--synthetic", o->bench.synthetic, "made-up tokens in place of data.train");
  command->add_option("--steps", o->bench.steps, "steps to time, after two that warm up")
      ->capture_default_str();
  command->add_flag("--on-request", o->on_request,
                    "a step, and a line of JSON, for each line of standard input");
  command->callback(
      [&globals, &action, o] { action = [&globals, o] { return run(globals, *o); }; });
}

}  // namespace gigatrain::tools
