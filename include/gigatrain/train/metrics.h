// metrics.jsonl: one JSON object a line, appended with one write, never rewritten. A number that
// is not finite becomes null, followed by a `warn` line that names it.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "gigatrain/train/rank_times.h"

namespace gigatrain {

inline constexpr double kNotMeasured = -1;  // such a field is left out

struct StepMetrics {
  std::int64_t step = 0, tokens = 0;
  double loss = 0, lr = 0, grad_norm = 0;
  double step_ms = kNotMeasured, tokens_per_s = kNotMeasured;
  double mfu = kNotMeasured;  // fraction of the machine's limit
  std::int64_t mem_bytes = -1;
  double comm_ms = kNotMeasured, data_ms = kNotMeasured;
  double loss_scale = kNotMeasured;  // of f16
  std::vector<RankTimes> ranks{};    // of each, when there are several
};

struct EvalMetrics {
  std::int64_t step = 0, tokens = 0;
  double loss = 0;
  bool best = false;
  double eval_ms = kNotMeasured;
};

struct CkptMetrics {
  std::int64_t step = 0, tokens = 0;
  std::string path, digest;
  std::int64_t bytes = -1;         // of all its files
  double ckpt_ms = kNotMeasured;   // hashing, writing, syncing; the line's bytes_per_s is of it
  double stall_ms = kNotMeasured;  // training waited
};

// Of one step in an interval, whose kernels were timed, and of the memory until then.
struct ProfileMetrics {
  std::int64_t step = 0;
  double step_ms = kNotMeasured;
  std::map<std::string, double> kernel_ms;        // by family of kernels
  std::map<std::string, std::int64_t> mem_bytes;  // of live blocks at their peak, by purpose
};

struct EndMetrics {
  std::int64_t step = 0, tokens = 0;
  std::string reason;  // "finished", "time_limit", "requested"
  double loss = kNotMeasured;
  std::string digest;
};

class MetricsWriter {
 public:
  // Continues an existing file; a last line that a crash has torn is ended first.
  explicit MetricsWriter(const std::string& path);
  MetricsWriter() = default;  // writes nothing: of a rank that another one reports for
  ~MetricsWriter();
  MetricsWriter(const MetricsWriter&) = delete;
  MetricsWriter& operator=(const MetricsWriter&) = delete;

  void start(std::int64_t step, const std::map<std::string, std::string>& facts = {},
             const std::map<std::string, double>& numbers = {});
  void step(const StepMetrics& metrics);
  void eval(const EvalMetrics& metrics);
  void ckpt(const CkptMetrics& metrics);
  void profile(const ProfileMetrics& metrics);
  void sample(const std::string& text, std::int64_t step);
  void warn(const std::string& message, std::int64_t step);
  void error(const std::string& message, std::int64_t step);
  void end(const EndMetrics& metrics);

 private:
  class Line;
  void append(const Line& line);
  std::string path_;
  int file_ = -1;
  bool failed_ = false;  // the last write did, perhaps in the middle of a line
};

}  // namespace gigatrain
