#include <cmath>

#include "gigatrain/train/report.h"
#include "train/atomic_file.h"
#include "train/event_file.h"
#include "train/metrics_reader.h"
#include "train/run_log.h"

namespace gigatrain {

namespace {

constexpr std::size_t kBufferBytes = 1 << 20;

std::map<std::string, double> scalars_of(const MetricsLine& line) {
  if (line.kind == "eval" && !std::isnan(line.number("loss")))
    return {{"loss/eval", line.number("loss")}};
  std::map<std::string, double> scalars;
  if (line.kind == "step")
    for (const auto& [field, value] : line.numbers())
      if (field != "v" && field != "step") scalars[field == "loss" ? "loss/train" : field] = value;
  if (line.kind == "profile") {
    for (const auto& [family, ms] : line.numbers("kernel_ms")) scalars["kernel_ms/" + family] = ms;
    for (const auto& [purpose, b] : line.numbers("mem_bytes")) scalars["mem_bytes/" + purpose] = b;
  }
  return scalars;
}

// A line without a time has that of the line before.
class Events {
 public:
  explicit Events(FileWriter& file) : file_(file) {}
  void see(const MetricsLine& line) {
    if (!std::isnan(line.time)) time_ = line.time;
    if (records_.empty() && !begun_) records_ += event_file_version(time_);
    begun_ = true;
    if (line.kind == "start") records_ += event_session_start(time_, line.step + 1);
    if (const auto scalars = scalars_of(line); !scalars.empty())
      records_ += event_scalars(time_, line.step, scalars);
    if (records_.size() > kBufferBytes) flush();
  }
  void flush() {
    file_.append(records_.data(), records_.size());
    records_.clear();
  }

 private:
  FileWriter& file_;
  std::string records_;
  double time_ = 0;
  bool begun_ = false;
};

}  // namespace

std::string write_tensorboard(const std::string& run) {
  require_run(run);
  FileSystem& files = FileSystem::real();
  const std::string path = run + "/" + kEventFile, fresh = path + ".tmp";
  remove_quietly(files, fresh);
  FileWriter file(files, fresh);
  Events events(file);
  read_metrics(run + "/metrics.jsonl", [&](const MetricsLine& line) { events.see(line); });
  events.flush();
  file.finish();
  files.rename(fresh, path);
  return path;
}

}  // namespace gigatrain
