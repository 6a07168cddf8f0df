#include "gigatrain/train/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/timer.h"
#include "gigatrain/base/error.h"
#include "gigatrain/optim/clip.h"
#include "gigatrain/tensor/anomaly.h"
#include "gigatrain/train/trace.h"
#include "train/together.h"

namespace gigatrain {

namespace {

Device& device_of(nn::Model& model) {
  const auto parameters = nn::named_parameters(model);
  if (parameters.empty() || !parameters.front()->own_value())
    throw Error(ErrorCode::invalid_argument, "the model has no weights yet",
                "call nn::materialize(model, device, ...) before making a Trainer");
  return parameters.front()->own_value().device();
}

TrainerOptions checked(TrainerOptions o, const nn::Model& model, const BatchSource& data) {
  const auto require = [](bool ok, const std::string& text) {
    if (!ok) throw Error(ErrorCode::invalid_argument, text);
  };
  const BatchShape& b = o.batch;
  require(b.leaves >= 1 && b.micro_batches >= 1 && b.micro_batch >= 1 && b.seq_len >= 1,
          "leaves, micro_batches, micro_batch and seq_len must be at least 1");
  require(b.seq_len == data.positions(),
          fmt::format("seq_len must be the {} of the data, got {}", data.positions(), b.seq_len));
  require(b.global_batch() == data.global_batch(),
          fmt::format("leaves x micro_batches x micro_batch must be the data's global batch {}, "
                      "got {} x {} x {}",
                      data.global_batch(), b.leaves, b.micro_batches, b.micro_batch));
  check_ramp(b);
  if (o.ranks)
    require(o.ranks->options().leaves == b.leaves,
            fmt::format("the ranks share steps of {} leaves, this Trainer's have {}",
                        o.ranks->options().leaves, b.leaves));
  if (o.ranks)
    require(o.ranks->ranks().size() <= b.fewest_leaves(),
            fmt::format("a step of the batch ramp has {0} leaves, which keep 1 to {0} ranks busy, "
                        "got {1} ranks",
                        b.fewest_leaves(), o.ranks->ranks().size()));
  model.check_fields(data.fields());
  require(o.steps >= 1, fmt::format("train.steps must be at least 1, got {}", o.steps));
  o.schedule.steps = o.steps;
  return o;
}

// The loss is scaled where anything is computed in f16.
std::optional<LossScale> make_loss_scale(const std::vector<Parameter*>& parameters,
                                         const LossScaleOptions& options) {
  const bool f16 = std::any_of(parameters.begin(), parameters.end(),
                               [](const Parameter* p) { return p->compute_dtype() == DType::f16; });
  return f16 ? std::optional<LossScale>(options) : std::nullopt;
}

[[noreturn]] void stop_not_finite(const StepReport& r, std::int64_t step, bool scaled) {
  throw Error(ErrorCode::cancelled,
              fmt::format("step {}: the loss is {} and the gradient norm {}{}; the weights were "
                          "not changed by this step",
                          step, r.loss, r.grad_norm,
                          scaled ? fmt::format(", with loss scale {:g}", r.loss_scale) : ""),
              "lower optim.lr, raise schedule.warmup, or set precision.compute = \"f32\", and "
              "continue from the last checkpoint");
}

}  // namespace

Trainer::Trainer(nn::Model& model, optim::Optimizer& optimizer, const BatchSource& data,
                 const TrainerOptions& options)
    : options_(checked(options, model, data)),
      optimizer_(optimizer),
      data_(data),
      gradient_(model, device_of(model), options.batch, options.seed, options.leaf_order,
                data.fields(), options.ranks),
      loss_scale_(make_loss_scale(gradient_.parameters(), options.loss_scale)) {}

StepReport Trainer::step() {
  std::optional<DetectAnomaly> checks;
  if (options_.anomaly) checks.emplace(step_ + 1);
  if (options_.trace) options_.trace->begin_step(step_ + 1);
  const StepReport report = tell_others_on_error([this] { return make_step(); });
  if (options_.trace) options_.trace->end_step();
  return report;
}

// The other ranks learn why this one goes, not only that it does.
StepReport Trainer::tell_others_on_error(const std::function<StepReport()>& make) {
  try {
    return make();
  } catch (const std::exception& e) {
    if (options_.ranks) options_.ranks->ranks().abort(e.what());
    throw;
  }
}

// One short exchange after the step.
void Trainer::share_times(StepReport& report) const {
  if (!options_.ranks) return;
  Communicator& ranks = options_.ranks->ranks();
  const OperationLog::Waits now = ranks.log().waits();
  const double waited = now.all_ms - waited_before_.all_ms;
  const auto all =
      all_values<double>(ranks, {report.data_ms, report.step_ms - report.data_ms - waited, waited,
                                 now.exposed_ms - waited_before_.exposed_ms});
  for (std::size_t i = 0; i < all.size(); i += 4)
    report.ranks.push_back({all[i], all[i + 1], all[i + 2], all[i + 3]});
}

StepReport Trainer::make_step() {
  const Timer time;
  if (options_.ranks) waited_before_ = options_.ranks->ranks().log().waits();
  const BatchShape batch = options_.batch.at(step_);
  StepReport report{.batch_tokens = batch.tokens(), .samples = batch.global_batch()};
  report.lr = options_.schedule.at(step_);
  if (loss_scale_) report.loss_scale = loss_scale_->value();
  report.terms = gradient_.run(data_, step_, report.loss_scale);
  if (report.terms == 0) {
    report.skipped = true;
    report.reason = "no loss terms";
  } else {
    // Everything is submitted before anything is waited for. Should the loss or the norm not be
    // finite, the clip scale makes the optimizer change nothing.
    const Tensor clip = update(report);
    const Scope wait("phase", "wait");
    report.loss = gradient_.loss();
    report.grad_norm = clip.to_vector<double>().front();
    accept(report);
  }
  report.step = ++step_;
  report.tokens = tokens_ += report.batch_tokens;
  report.step_ms = time.ms();
  report.data_ms = gradient_.data_ms();
  share_times(report);
  return report;
}

Tensor Trainer::update(const StepReport& report) {
  const Scope phase("phase", "optimizer");
  parallel::DataParallel* ranks = options_.ranks;
  if (ranks) ranks->ranks().set_label(fmt::format("step {}, phase optimizer", step_ + 1));
  optim::StepOptions step{.step = step_ + 1, .lr = report.lr};
  if (ranks) {
    step.clip = ranks->clip_scale(options_.clip, gradient_.losses(), report.loss_scale);
    ranks->step(optimizer_, step);
  } else {
    step.clip = optim::clip_scale(gradient_.parameters(), options_.clip, gradient_.losses(),
                                  report.loss_scale);
    optimizer_.step(step);
  }
  return step.clip;
}

void Trainer::accept(StepReport& report) {
  if (std::isfinite(report.loss) && std::isfinite(report.grad_norm)) {
    if (loss_scale_) loss_scale_->good();
    return;
  }
  if (!loss_scale_ || !loss_scale_->halve())
    stop_not_finite(report, step_ + 1, loss_scale_.has_value());
  report.skipped = true;
  report.reason =
      fmt::format("the loss is {} and the gradient norm {} with loss scale {:g}, now {:g}",
                  report.loss, report.grad_norm, report.loss_scale, loss_scale_->value());
}

namespace {

constexpr std::int32_t kLate = 1, kAsked = 2;

}  // namespace

// Ranks see a request or the time at different steps: they do it together.
Trainer::Wishes Trainer::wishes(double trained_ms) const {
  Wishes all;
  if (options_.limit_seconds > 0 && trained_ms >= options_.limit_seconds * 1e3) all.stop = kLate;
  if (stop_ && stop_()) all.stop = kAsked;
  if (save_asked_ && save_asked_()) all.save = 1;
  if (options_.ranks)
    options_.ranks->ranks().all_reduce(TensorView(&all, DType::i32, {2}), Reduce::max).wait();
  return all;
}

StopReason Trainer::fit() {
  double trained_ms = 0;
  while (step_ < options_.steps) {
    const Wishes wish = wishes(trained_ms);
    if (wish.stop) return wish.stop == kAsked ? StopReason::requested : StopReason::time_limit;
    if (wish.save) save_();
    const StepReport report = step();
    trained_ms += report.step_ms;
    for (const auto& callback : callbacks_) callback(report);
  }
  return StopReason::finished;
}

void Trainer::on_step(std::function<void(const StepReport&)> callback) {
  callbacks_.push_back(std::move(callback));
}
void Trainer::stop_when(std::function<bool()> asked) {
  stop_ = std::move(asked);
}

void Trainer::save_when(std::function<bool()> asked, std::function<void()> save) {
  save_asked_ = std::move(asked);
  save_ = std::move(save);
}

void Trainer::resume_at(std::int64_t step, std::int64_t tokens) {
  if (step < 0 || step > options_.steps)
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("cannot continue at step {} of a run of {} steps", step, options_.steps),
        "raise train.steps");
  step_ = step;
  tokens_ = tokens;
}

void Trainer::restore_loss_scale(double value, std::int64_t good_steps) {
  if (loss_scale_) loss_scale_->restore(value, good_steps);
}

}  // namespace gigatrain
