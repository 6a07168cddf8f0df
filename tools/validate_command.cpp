// `gigatrain validate CONFIG`: what a run would be, before it is one: sizes, memory, time.

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli.h"
#include "gigatrain/train/machine_limit.h"
#include "gigatrain/train/session.h"
#include "plan_report.h"
#include "progress.h"

namespace gigatrain::tools {

namespace {

// A step reaches about this share of the matrix-product rate (docs/benchmarks.md); only the
// estimate of time hangs on it.
constexpr double kTypicalShare = 0.7;

struct Options {
  std::string config;
  std::vector<std::string> overrides;
};

std::string leaves_of_ranks(std::int64_t leaves, int ranks) {
  const std::int64_t least = leaves / ranks;
  return leaves % ranks == 0 ? std::to_string(least) : fmt::format("{} or {}", least, least + 1);
}

int validate(const Globals& globals, const Options& options) {
  const Config config = load_config(options.config, options.overrides);
  const auto device = make_device(globals, globals.ranks);
  const auto tokenizer = make_tokenizer(config);
  const nn::ModelSpec spec = model_spec(config, tokenizer.get());
  const std::int64_t parameters = spec.parameters();
  const BatchShape batch = batch_shape(config, parameters, globals.ranks);
  PlanTarget target = PlanTarget::of(*device);
  target.ranks = globals.ranks;
  target.on_one_gpu = ranks_on_one_gpu(globals.ranks);
  target.zero = static_cast<int>(config.parallel.zero);
  target.snapshot = saves_in_background(config);
  const MemoryPlan plan =
      plan_largest_rank(spec, batch, weight_options(config), target, optimizer_options(config));
  const TokenSource data =
      open_data(config, Split::train, tokenizer.get(), spec.vocab_size(), batch.global_batch());
  const int devices = device->is_cpu() ? globals.ranks : globals.ranks / target.on_one_gpu;
  const double rate = measure_gemm(*device, compute_dtype(config), 0.3) * kTypicalShare * devices;
  const double flops =
      spec.make()->flops_per_token(batch.seq_len) * static_cast<double>(batch.tokens());
  const double step_seconds = flops / rate,
               largest_steps = static_cast<double>(batch.leaves_before(config.train.steps)) /
                               static_cast<double>(batch.leaves),
               seconds = step_seconds * largest_steps;
  const double tokens = static_cast<double>(batch.tokens()) * largest_steps;
  const bool fit = fits(plan, target, target.facts.memory);
  if (globals.json) {
    fmt::print("{}\n", nlohmann::ordered_json{{"parameters", parameters},
                                              {"tokens_per_step", batch.tokens()},
                                              {"ranks", globals.ranks},
                                              {"leaves", batch.leaves},
                                              {"micro_batches", batch.micro_batches},
                                              {"batch_ramp", config.train.batch_ramp},
                                              {"flops_per_step", flops},
                                              {"expected_seconds", seconds},
                                              {"memory", json_of(plan)},
                                              {"fits", fit}}
                           .dump());
    return fit ? kOk : kUsage;
  }
  const auto bytes = [](std::int64_t n) { return format_bytes(static_cast<double>(n)); };
  fmt::print("configuration is valid: {}\n", options.config);
  fmt::print("model       {} parameters, {} layers x {} channels, vocabulary {}\n",
             format_count(static_cast<double>(parameters)), spec.n_layer(), spec.n_embd(),
             spec.vocab_size());
  fmt::print("step        {} tokens = {} leaves x {} micro-batches x {} sequences x {} tokens\n",
             batch.tokens(), batch.leaves, batch.micro_batches, batch.micro_batch, batch.seq_len);
  if (!batch.ramp.empty()) fmt::print("ramp        {}\n", describe_ramp(batch));
  if (globals.ranks > 1)
    fmt::print("ranks       {}, each with {} of the leaves, ZeRO stage {}\n", globals.ranks,
               leaves_of_ranks(batch.leaves, globals.ranks), target.zero);
  fmt::print("memory      {} at the peak{}, {} taken from {}; {}\n", bytes(plan.total),
             globals.ranks > 1 ? " of a rank" : "", bytes(plan.reserved), target.facts.model,
             purposes_of(plan));
  fmt::print("data        {} tokens; {} steps see each {:.2f} times\n",
             format_count(static_cast<double>(data.tokens())), config.train.steps,
             tokens / static_cast<double>(data.tokens()));
  fmt::print("time        about {:.0f} ms a step, {} in all (at {:.0f} GFLOP/s)\n",
             step_seconds * 1e3, format_duration(seconds), rate / 1e9);
  if (!fit)
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("the run needs {}, {} has {}", bytes(plan.reserved + context_bytes(target)),
                    target.facts.model, bytes(target.facts.memory)),
        "lower train.micro_batch (`gigatrain plan` names the largest that fits), "
        "train.seq_len or train.leaves, or raise parallel.zero");
  return kOk;
}

}  // namespace

void add_validate(CLI::App& app, const Globals& globals, Action& action) {
  auto* command =
      app.add_subcommand("validate", "check a configuration; show memory and expected time");
  command->footer("Example: gigatrain validate examples/recipes/bible.toml train.micro_batch=32");
  auto o = std::make_shared<Options>();
  command->add_option("config", o->config, "configuration file (TOML)")->required();
  command->add_option("overrides", o->overrides, "key=value");
  command->callback(
      [&globals, &action, o] { action = [&globals, o] { return validate(globals, *o); }; });
}

}  // namespace gigatrain::tools
