// A whole run from a configuration: device, data, model, optimizer, run folder, metrics,
// evaluation, samples, checkpoints, resume. It prints nothing: an observer is told what happens.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "gigatrain/collectives/communicator.h"
#include "gigatrain/train/config.h"
#include "gigatrain/train/evaluate.h"
#include "gigatrain/train/memory_plan.h"
#include "gigatrain/train/trainer.h"

namespace gigatrain {

struct RunSummary {
  std::string folder;  // runs/<name>
  std::string device;  // "AMD EPYC, 2 threads, avx512"; of each rank
  int ranks = 1;
  std::int64_t parameters = 0;
  std::int64_t train_tokens = 0, val_tokens = 0;
  std::int64_t first_step = 0, steps = 0;  // first_step > 0: resumed there
  BatchShape batch;
  MemoryPlan memory;
  double limit_flops = 0;  // measured, of matrix products in the compute dtype
};

struct StepLine {
  StepReport report;
  std::int64_t steps = 0;
  double tokens_per_s = 0;    // over the log interval
  double limit_fraction = 0;  // of the machine's measured matrix-product rate
  double eta_seconds = 0;
  std::int64_t memory_bytes = 0;  // peak
  bool log = false;               // an interval ends: worth a line
};

struct EvalLine {
  std::int64_t step = 0;
  Evaluation evaluation;
  bool best = false;
};

// A checkpoint has become durable. One that is written while training goes on is told of some steps
// after its own.
struct CheckpointLine {
  std::string path, digest;
  std::int64_t step = 0;
  std::int64_t bytes = 0;
  double stall_ms = 0;  // training waited
  double write_ms = 0;  // hashing, writing, syncing
};

class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void on_start(const RunSummary&) {}
  virtual void on_step(const StepLine&) {}
  virtual void on_eval(const EvalLine&) {}
  virtual void on_sample(const std::string& /*text*/, std::int64_t /*step*/) {}
  virtual void on_checkpoint(const CheckpointLine&) {}
  virtual void on_warning(const std::string&) {}
};

enum class RunMode {
  fresh,      // a folder that already holds a run is refused
  resume,     // continue from the newest whole checkpoint
  overwrite,  // start again in the same folder
};

struct RunOutcome {
  StopReason reason = StopReason::finished;
  std::int64_t step = 0;
  std::string folder = {}, checkpoint = {}, digest = {};
  double loss = 0, val_loss = 0;  // last seen; NaN when never
};

RunOutcome train_run(Device& device, const Config& config, RunMode mode, RunObserver& observer,
                     const std::function<bool()>& stop_requested = {});
// With other ranks, each calling it with a device of its own. Rank 0 writes the run folder and its
// observer is told what happens; the outcome is the same on all.
RunOutcome train_run(Communicator& ranks, Device& device, const Config& config, RunMode mode,
                     RunObserver& observer, const std::function<bool()>& stop_requested = {});

}  // namespace gigatrain
