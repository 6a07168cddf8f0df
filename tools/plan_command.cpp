// `gigatrain plan --memory`: what a training step will take, by purpose, and the largest
// micro-batch that fits, from shapes alone: no data, no weights, and no GPU to plan for one.

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>

#include "cli.h"
#include "gigatrain/train/session.h"
#include "plan_report.h"
#include "presets.h"
#include "progress.h"

namespace gigatrain::tools {

namespace {

using Json = nlohmann::ordered_json;

struct Options {
  ConfigChoice config;
  std::string gpu;
  std::vector<std::int64_t> micro_batches;
  bool memory = false;
};

// A batch of half a million tokens, as trainings of GPT-2 usually have it, in as few leaves as the
// ranks need.
std::string batch_for(int ranks) {
  return fmt::format(
      "[train]\nsteps = 1\nseq_len = 1024\nglobal_batch = 512\nmicro_batch = 8\nleaves = {}\n"
      "[precision]\ncompute = \"bf16\"\n",
      std::bit_ceil(static_cast<unsigned>(std::max(1, ranks))));
}

// "80GiB", "80 GB", "85899345920"; 0 when it is no size.
std::int64_t parse_bytes(const std::string& text) {
  double number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string unit(rest, text.data() + text.size());
  std::erase(unit, ' ');
  const std::pair<const char*, double> units[] = {
      {"", 1.0}, {"GiB", 0x1p30}, {"MiB", 0x1p20}, {"GB", 1e9}, {"MB", 1e6}};
  for (const auto& [name, factor] : units)
    if (error == std::errc{} && unit == name && number > 0 && number * factor < 0x1p60)
      return static_cast<std::int64_t>(number * factor);
  return 0;
}

DeviceFacts gpu_facts(const std::string& wanted) {
  if (const auto known = find_gpu(wanted)) return *known;
  if (const std::int64_t bytes = parse_bytes(wanted); bytes > 0)
    return {.kind = "cuda", .model = "a GPU", .memory = bytes, .isa = "sm_80"};
  std::string names;
  for (const auto& g : known_gpus())
    names += fmt::format("{}{}", names.empty() ? "" : ", ", g.name);
  throw Error(
      ErrorCode::invalid_argument,
      fmt::format("--gpu must be one of {}, or a size such as 80GiB, got '{}'", names, wanted),
      "`gigatrain doctor` shows the memory of the GPU at hand");
}

PlanTarget plan_target(const Globals& globals, const Options& o) {
  if (!o.gpu.empty()) return PlanTarget::gpu(gpu_facts(o.gpu));
  PlanTarget target = PlanTarget::of(*make_device(globals, globals.ranks));
  target.on_one_gpu = ranks_on_one_gpu(globals.ranks);
  return target;
}

// Everything that is shown.
struct Report {
  PlanTarget target;
  nn::ModelSpec model;
  BatchShape batch{};
  nn::MaterializeOptions weights{};
  optim::OptimizerOptions optimizer{};
  std::vector<std::pair<std::int64_t, MemoryPlan>> plans{};  // by micro-batch
  std::int64_t largest = 0;
  double seconds = 0;

  std::int64_t memory() const { return target.facts.memory; }
  bool fit(const MemoryPlan& plan) const { return fits(plan, target, memory()); }
};

Report make_report(const Globals& globals, const Options& o) {
  const Config config = read_config(o.config, batch_for(globals.ranks), "plan");
  const auto tokenizer = make_tokenizer(config);
  Report r{.target = plan_target(globals, o), .model = model_spec(config, tokenizer.get())};
  r.target.snapshot = saves_in_background(config);
  r.target.ranks = globals.ranks;
  r.target.zero = static_cast<int>(config.parallel.zero);
  r.batch = batch_shape(config, r.model.parameters(), globals.ranks);
  r.weights = weight_options(config);
  r.optimizer = optimizer_options(config);
  const auto start = std::chrono::steady_clock::now();
  r.largest = largest_micro_batch(r.model, r.batch, r.weights, r.target, r.memory(), r.optimizer);
  std::vector<std::int64_t> sizes = o.micro_batches;
  if (sizes.empty()) {
    sizes = {r.batch.micro_batch};
    if (r.largest > 0 && r.largest != sizes[0]) sizes.push_back(r.largest);
  }
  for (const std::int64_t size : sizes) {
    if (size < 1)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("--micro-batches must be at least 1, got {}", size));
    BatchShape batch = r.batch;
    batch.micro_batch = size;
    r.plans.emplace_back(size, plan_largest_rank(r.model, batch, r.weights, r.target, r.optimizer));
  }
  r.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return r;
}

Json to_json(const Report& r) {
  Json plans = Json::array();
  for (const auto& [size, plan] : r.plans) {
    Json j = {{"micro_batch", size}, {"fits", r.fit(plan)}};
    j.update(json_of(plan));
    plans.push_back(j);
  }
  return {{"device",
           {{"kind", r.target.facts.kind},
            {"model", r.target.facts.model},
            {"memory_bytes", r.memory()},
            {"context_bytes", context_bytes(r.target)}}},
          {"parameters", r.model.parameters()},
          {"compute", name(r.weights.compute)},
          {"ranks", r.target.ranks},
          {"zero", r.target.zero},
          {"leaves", r.batch.leaves},
          {"micro_batches", r.batch.micro_batches},
          {"seq_len", r.batch.seq_len},
          {"plans", plans},
          {"largest_micro_batch", r.largest},
          {"seconds", r.seconds}};
}

template <class Value>
void row(const Report& r, const std::string& what, const Value& value) {
  std::string line = fmt::format("{:<24}", what);
  for (const auto& [size, plan] : r.plans) line += fmt::format("{:>12}", value(size, plan));
  fmt::print("{}\n", line);
}

std::string bytes(std::int64_t n) {
  return n == 0 ? "-" : format_bytes(static_cast<double>(n));
}

void bytes_row(const Report& r, const std::string& what,
               const std::function<std::int64_t(const MemoryPlan&)>& value) {
  row(r, what, [&](std::int64_t, const MemoryPlan& p) { return bytes(value(p)); });
}

void print_head(const Report& r) {
  const DeviceFacts& f = r.target.facts;
  fmt::print("device   {}, {}{}\n", f.model, bytes(f.memory),
             f.kind == "cpu" ? ""
                             : fmt::format(", of which {} for the CUDA context",
                                           bytes(context_bytes(r.target))));
  fmt::print("model    {} parameters, {} layers x {} channels, vocabulary {}, {}\n",
             format_count(static_cast<double>(r.model.parameters())), r.model.n_layer(),
             r.model.n_embd(), r.model.vocab_size(), name(r.weights.compute));
  fmt::print("step     leaves {}, micro-batches of each {}, sequences of {} tokens\n\n",
             r.batch.leaves, r.batch.micro_batches, r.batch.seq_len);
}

void print(const Report& r) {
  print_head(r);
  row(r, "micro-batch", [](std::int64_t size, const MemoryPlan&) { return size; });
  for (std::size_t i = 0; i < static_cast<std::size_t>(Purpose::count_); ++i)
    if (r.plans.front().second.by_purpose[i] > 0)
      bytes_row(r, name(static_cast<Purpose>(i)),
                [&](const MemoryPlan& p) { return p.by_purpose[i]; });
  bytes_row(r, "together, at the peak", [](const MemoryPlan& p) { return p.total; });
  bytes_row(r, "taken from the device", [](const MemoryPlan& p) { return p.reserved; });
  row(r, "fits", [&](std::int64_t, const MemoryPlan& p) { return r.fit(p) ? "yes" : "no"; });
  bytes_row(r, "host: tokens", [](const MemoryPlan& p) { return p.host.tokens; });
  if (r.target.facts.kind != "cpu") {
    bytes_row(r, "host: staging, pinned", [](const MemoryPlan& p) { return p.host.staging; });
    bytes_row(r, "host: initial values", [](const MemoryPlan& p) { return p.host.initial_values; });
    bytes_row(r, "host: in a checkpoint", [](const MemoryPlan& p) { return p.host.checkpoint; });
  }
  if (r.largest > 0)
    fmt::print(
        "\nlargest micro-batch that fits: {}  (train.micro_batch={} train.global_batch={})\n",
        r.largest, r.largest, r.largest * r.batch.leaves * r.batch.micro_batches);
  else
    fmt::print("\nno micro-batch fits: lower train.seq_len or train.leaves, or use a larger GPU\n");
  fmt::print(
      "planned in {:.2f} s; purposes peak at different moments, so they add up to more than "
      "the peak\n",
      r.seconds);
}

int plan(const Globals& globals, const Options& options) {
  const Report r = make_report(globals, options);
  if (globals.json)
    fmt::print("{}\n", to_json(r).dump());
  else
    print(r);
  return r.fit(r.plans.front().second) ? kOk : kUsage;
}

}  // namespace

void add_plan(CLI::App& app, const Globals& globals, Action& action) {
  auto* command = app.add_subcommand("plan", "what a run will need, from its shapes alone");
  command->footer(
      "Exit code 2 if the (first) micro-batch does not fit.\n"
      "Examples: gigatrain plan --memory examples/recipes/bible.toml train.seq_len=512\n"
      "          gigatrain plan --memory --model gpt2-xl --gpu h100 --micro-batches 1,2,4,8");
  auto o = std::make_shared<Options>();
  command->add_flag("--memory", o->memory, "plan memory (the only plan so far, so the default)");
  command->add_option("config", o->config.file, "configuration file (TOML)");
  command->add_option("overrides", o->config.overrides, "key=value");
  command->add_option("--model", o->config.model, "in place of a file: " + preset_names());
  command->add_option("--gpu", o->gpu,
                      "a100-40, a100-80, h100, h200, b200, l40s, rtx4090, or a size such as 80GiB; "
                      "default: the device at hand");
  command->add_option("--micro-batches", o->micro_batches, "show these, e.g. 1,2,4,8")
      ->delimiter(',');
  command->callback(
      [&globals, &action, o] { action = [&globals, o] { return plan(globals, *o); }; });
}

}  // namespace gigatrain::tools
