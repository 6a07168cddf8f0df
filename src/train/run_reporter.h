// Tells what happens in a run: to its observer, to metrics.jsonl, and to the log of each rank.
// Every rank has one; only rank 0's has an observer and the metrics.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "gigatrain/train/loss_scale.h"
#include "gigatrain/train/metrics.h"
#include "gigatrain/train/run_folder.h"
#include "gigatrain/train/training_run.h"
#include "train/kernel_times.h"
#include "train/rank_log.h"
#include "train/run_checkpoints.h"

namespace gigatrain {

class RunReporter {
 public:
  // ranks: null for one alone. `name`: of the device, for the log.
  RunReporter(Device& device, Communicator* ranks, const RunFolder& folder, const std::string& name,
              RunObserver& observer);

  // Before the first step; the rates that step() reports are of this run.
  void start(const RunSummary& run, double flops_per_token, std::int64_t log_every);
  // Right after a step. `scale`: of the next one, where there is one.
  void step(const StepReport& report, const std::optional<LossScale>& scale);
  // When all else that follows a step is done, and the next one may be timed.
  void before_step(std::int64_t step);
  void evaluation(const EvalLine& line, std::int64_t tokens, double ms);
  void sample(const std::string& text, std::int64_t step);
  void saved(const RunCheckpoints::Saved& saved);
  void warn(const std::string& text, std::int64_t step);
  void failed(const Error& error, std::int64_t step);
  void end(const RunOutcome& outcome, std::int64_t tokens);

 private:
  void profile(const StepReport& report);
  void loss_scale(const StepReport& report, const std::optional<LossScale>& scale);
  double eta_seconds(std::int64_t step) const;

  Device& device_;
  Communicator* ranks_;
  RunObserver& observer_;
  MetricsWriter metrics_;
  std::optional<RankLog> rank_log_;  // where there are several
  KernelTimes kernel_times_;
  RunSummary run_;
  double flops_per_token_ = 0;
  std::int64_t log_every_ = 1;
  double interval_ms_ = 0, leaf_ms_ = 0;
  std::int64_t interval_tokens_ = 0;
};

}  // namespace gigatrain
