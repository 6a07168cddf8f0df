#include "train/run_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "gigatrain/base/error.h"
#include "train/atomic_file.h"
#include "train/metrics_reader.h"
#include "train/run_identity.h"
#include "train/strict_json.h"

namespace gigatrain {

namespace {

constexpr std::size_t kMostSamples = 48, kMostMessages = 50;
constexpr std::size_t kLongestText = 4000;  // bytes
constexpr std::int64_t kLargestFile = 1 << 20;
constexpr const char* kStepFields[] = {"tokens",    "loss",         "lr",
                                       "grad_norm", "tokens_per_s", "mfu",
                                       "mem_bytes", "loss_scale",   "step_ms"};

// Cut between two characters.
std::string shortened(std::string text) {
  if (text.size() <= kLongestText) return text;
  std::size_t end = kLongestText;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + " ...";
}

// Gathers one run's lines in the order of the file.
class Gatherer {
 public:
  explicit Gatherer(RunLog& log) : log_(log) {}

  void see(const MetricsLine& line) {
    pass_time(line);
    if (line.kind == "start") start(line);
    if (line.kind == "step") step(line);
    if (line.kind == "eval") log_.curves["eval"].add(line.step, line.number("loss"));
    if (line.kind == "profile") profile(line);
    if (line.kind == "sample") sample(line);
    if (line.kind == "warn" || line.kind == "error") message(line);
    if (line.kind == "end") log_.reason = line.text("reason");
    if (line.kind == "ckpt" || line.kind == "end") log_.digest = line.text("digest");
  }

 private:
  void pass_time(const MetricsLine& line) {
    const double passed = line.time - before_;
    if (line.kind != "start" && passed > 0) log_.seconds += passed;  // false for NaN
    before_ = line.time;
  }

  void start(const MetricsLine& line) {
    ++log_.starts;
    log_.reason.clear();
    log_.numbers = line.numbers();
    for (const auto& [key, value] : line.texts())
      if (key != "kind" && key != "time") log_.facts[key] = shortened(value);
  }

  void step(const MetricsLine& line) {
    for (const char* field : kStepFields) {
      const double value = line.number(field);
      const auto curve = log_.curves.find(field);
      if (curve != log_.curves.end())
        curve->second.add(line.step, value);
      else if (!std::isnan(value))
        log_.curves[field].add(line.step, value);
    }
    log_.curves["seconds"].add(line.step, log_.seconds);
    log_.step = line.step;
    log_.loss = line.number("loss");
  }

  void profile(const MetricsLine& line) {
    ++log_.profiles;
    for (const auto& [family, ms] : line.numbers("kernel_ms")) log_.kernel_ms[family] += ms;
    log_.profiled_ms += std::max(line.number("step_ms"), 0.0);
    log_.memory = line.numbers("mem_bytes");
  }

  // All of a short run; every second, fourth, ... of a long one.
  void sample(const MetricsLine& line) {
    auto& samples = log_.samples;
    while (!samples.empty() && samples.back().step >= line.step) samples.pop_back();
    samples.push_back({line.step, line.kind, shortened(line.text("text"))});
    if (samples.size() <= kMostSamples) return;
    for (std::size_t i = 0; 2 * i < samples.size(); ++i) samples[i] = std::move(samples[2 * i]);
    samples.resize((samples.size() + 1) / 2);  // an odd number: the newest stays
  }

  void message(const MetricsLine& line) {
    if (log_.messages.size() < kMostMessages)
      log_.messages.push_back({line.step, line.kind, shortened(line.text("message"))});
    else
      ++log_.left_out_messages;
  }

  RunLog& log_;
  double before_ = std::numeric_limits<double>::quiet_NaN();
};

void read_facts(RunLog& log) {
  const auto json = parse_strict_json(read_small_file(log.folder + "/run.json", kLargestFile),
                                      log.folder + "/run.json");
  if (!json.is_object()) return;
  for (const auto& [key, value] : json.items())
    if (value.is_string()) log.facts[key] = shortened(value.get<std::string>());
  if (const auto hosts = json.find("hosts");
      hosts != json.end() && hosts->is_array() && !hosts->empty() && hosts->front().is_string())
    log.facts["host"] = shortened(hosts->front().get<std::string>());
}

// What is damaged beside the metrics is said in the report, and does not prevent it.
template <class Read>
void try_to(RunLog& log, const Read& read) {
  try {
    read();
  } catch (const Error& e) {
    log.messages.push_back({0, "warn", shortened(e.message())});
  }
}

std::string last_part(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

// A folder of runs is a likely slip: `report runs` for `report runs/*`.
void require_run(const std::string& folder) {
  if (exists(folder + "/metrics.jsonl")) return;
  if (!leads_to_folder(folder))
    throw Error(ErrorCode::io, fmt::format("'{}' is no folder", printable(folder)),
                "give run folders, which `gigatrain train` makes, such as runs/bible");
  std::string runs;
  for (const auto& name : names_in(folder))
    if (exists(folder + "/" + name + "/metrics.jsonl") && runs.size() < 300)
      runs += fmt::format(" {}/{}", folder, printable(name));
  throw Error(ErrorCode::io,
              fmt::format("'{}' is no run folder: it has no metrics.jsonl", printable(folder)),
              runs.empty() ? "give run folders, which `gigatrain train` makes, such as runs/bible"
                           : "gigatrain report" + runs);
}

RunLog read_run(const std::string& folder) {
  require_run(folder);
  RunLog log;
  log.folder = folder;
  log.name = last_part(folder);
  log.loss = std::numeric_limits<double>::quiet_NaN();
  try_to(log, [&] { read_facts(log); });
  try_to(log, [&] {
    log.config = flatten_toml(read_small_file(folder + "/config.toml", kLargestFile));
  });
  Gatherer gatherer(log);
  log.unreadable_lines =
      read_metrics(folder + "/metrics.jsonl", [&](const MetricsLine& line) { gatherer.see(line); });
  return log;
}

}  // namespace gigatrain
