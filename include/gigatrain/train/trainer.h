// The training loop and nothing else: gradient, clip, update, callbacks, until the steps are done,
// the time is up, or somebody asks to stop. It prints nothing and writes nothing; callbacks do.
//
//   gt::Trainer trainer(*model, adamw, data, {.batch = {.micro_batch = 8, .seq_len = 256}, .steps =
//   500}); trainer.on_step([](const gt::StepReport& r) { std::printf("%lld %.3f\n", r.step,
//   r.loss); }); trainer.fit();
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "gigatrain/optim/optimizer.h"
#include "gigatrain/optim/schedule.h"
#include "gigatrain/train/gradient_step.h"
#include "gigatrain/train/loss_scale.h"
#include "gigatrain/train/rank_times.h"

namespace gigatrain {

class Trace;

struct TrainerOptions {
  BatchShape batch{};
  std::int64_t steps = 100;  // of the whole run
  std::uint64_t seed = 1;
  optim::Schedule schedule{};     // its `steps` is the field above
  float clip = 1.0f;              // largest gradient norm; 0: no clipping
  LossScaleOptions loss_scale{};  // where weights are computed with in f16; not used elsewhere
  double limit_seconds = 0;       // of training in this process; 0: none
  LeafOrder leaf_order{};         // changes no bit
  // Look at every value as it is made and stop where the first NaN or Inf appears, by name
  // (tensor/anomaly.h). Changes no bit; several times slower.
  bool anomaly = false;
  Trace* trace = nullptr;  // records some of the steps (trace.h)
  // Who share the leaves, weights and optimizer state; every rank has a Trainer and calls the same.
  // Null: this rank is alone.
  parallel::DataParallel* ranks = nullptr;
};

// What happened in one step. Steps are counted from 1 in reports: `step` is how many are done.
struct StepReport {
  std::int64_t step = 0;
  std::int64_t tokens = 0;  // seen since the beginning of the run; samples, if not of tokens
  double loss = 0;          // mean over the loss terms: target tokens (nats), or samples
  double grad_norm = 0;     // before clipping
  float lr = 0;
  double step_ms = 0;              // wall time of this step, callbacks not counted
  std::int64_t batch_tokens = 0;   // of this step: tokens, or samples
  std::int64_t samples = 0;        // of this step
  std::int64_t terms = 0;          // of this step's loss: target tokens, or samples
  double loss_scale = 1;           // of this step
  double data_ms = 0;              // of this rank
  std::vector<RankTimes> ranks{};  // of all, when there are several
  bool skipped = false;            // the weights stayed
  std::string reason{};            // why
};

enum class StopReason { finished, time_limit, requested };

class Trainer {
 public:
  Trainer(nn::Model& model, optim::Optimizer& optimizer, const BatchSource& data,
          const TrainerOptions& options);

  // One optimizer step. Throws Error(cancelled) when the loss or the gradient is not finite, in f16
  // once the loss scale cannot be lowered any more; the weights are then those of the step before.
  StepReport step();
  StopReason fit();

  void on_step(std::function<void(const StepReport&)> callback);
  // Asked between steps; true ends fit() with StopReason::requested.
  void stop_when(std::function<bool()> asked);
  // Asked between steps, on each rank; where one says true, `save` is called on all of them.
  void save_when(std::function<bool()> asked, std::function<void()> save);

  // Continue a run: `step` steps and `tokens` tokens are behind us.
  void resume_at(std::int64_t step, std::int64_t tokens);
  void restore_loss_scale(double value, std::int64_t good_steps);
  // Of the next step. None: nothing is computed in f16.
  const std::optional<LossScale>& loss_scale() const { return loss_scale_; }
  std::int64_t steps_done() const { return step_; }
  std::int64_t tokens_done() const { return tokens_; }
  const std::vector<Parameter*>& parameters() const { return gradient_.parameters(); }
  const TrainerOptions& options() const { return options_; }

 private:
  StepReport make_step();
  StepReport tell_others_on_error(const std::function<StepReport()>& make);
  Tensor update(const StepReport& report);  // the clip's {norm, factor}
  void share_times(StepReport& report) const;
  void accept(StepReport& report);  // once loss and norm are known
  struct Wishes {
    std::int32_t stop = 0, save = 0;
  };
  Wishes wishes(double trained_ms) const;  // the same on every rank
  TrainerOptions options_;
  optim::Optimizer& optimizer_;
  const BatchSource& data_;
  GradientStep gradient_;
  std::optional<LossScale> loss_scale_;
  std::vector<std::function<void(const StepReport&)>> callbacks_;
  std::function<bool()> stop_, save_asked_;
  std::function<void()> save_;
  std::int64_t step_ = 0, tokens_ = 0;
  OperationLog::Waits waited_before_;
};

}  // namespace gigatrain
