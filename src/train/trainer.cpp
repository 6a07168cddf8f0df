#include "gigatrain/train/trainer.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <optional>

#include "gigatrain/base/error.h"
#include "gigatrain/optim/clip.h"
#include "gigatrain/tensor/anomaly.h"
#include "gigatrain/train/trace.h"

namespace gigatrain {

namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

Device& device_of(nn::Model& model) {
  const auto parameters = nn::named_parameters(model);
  if (parameters.empty() || !parameters.front()->value())
    throw Error(ErrorCode::invalid_argument, "the model has no weights yet",
                "call nn::materialize(model, device, ...) before making a Trainer");
  return parameters.front()->value().device();
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
  model.check_fields(data.fields());
  require(o.steps >= 1, fmt::format("train.steps must be at least 1, got {}", o.steps));
  o.schedule.steps = o.steps;
  return o;
}

void require_finite(double loss, double norm, std::int64_t step) {
  if (std::isfinite(loss) && std::isfinite(norm)) return;
  throw Error(ErrorCode::cancelled,
              fmt::format("step {}: the loss is {} and the gradient norm {}; the weights were not "
                          "changed by this step",
                          step, loss, norm),
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
                data.fields()) {}

StepReport Trainer::step() {
  std::optional<DetectAnomaly> checks;
  if (options_.anomaly) checks.emplace(step_ + 1);
  if (options_.trace) options_.trace->begin_step(step_ + 1);
  const StepReport report = make_step();
  if (options_.trace) options_.trace->end_step();
  return report;
}

StepReport Trainer::make_step() {
  const auto start = Clock::now();
  StepReport report{.batch_tokens = options_.batch.tokens(),
                    .samples = options_.batch.global_batch()};
  report.lr = options_.schedule.at(step_);
  report.terms = gradient_.run(data_, step_);
  report.skipped = report.terms == 0;
  if (!report.skipped) {
    // Everything is submitted before anything is waited for. Should the loss or the norm not be
    // finite, the clip scale makes the optimizer change nothing.
    const Tensor clip = update(report.lr);
    const Scope wait("phase", "wait");
    report.loss = gradient_.loss();
    report.grad_norm = clip.to_vector<double>().front();
    require_finite(report.loss, report.grad_norm, step_ + 1);
  }
  report.step = ++step_;
  report.tokens = tokens_ += report.batch_tokens;
  report.step_ms = ms_since(start);
  return report;
}

Tensor Trainer::update(float lr) {
  const Scope phase("phase", "optimizer");
  const Tensor clip = optim::clip_scale(gradient_.parameters(), options_.clip, gradient_.losses());
  optimizer_.step({.step = step_ + 1, .lr = lr, .clip = clip});
  return clip;
}

StopReason Trainer::fit() {
  double trained_ms = 0;
  while (step_ < options_.steps) {
    if (stop_ && stop_()) return StopReason::requested;
    if (options_.limit_seconds > 0 && trained_ms >= options_.limit_seconds * 1e3)
      return StopReason::time_limit;
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

void Trainer::resume_at(std::int64_t step, std::int64_t tokens) {
  if (step < 0 || step > options_.steps)
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("cannot continue at step {} of a run of {} steps", step, options_.steps),
        "raise train.steps");
  step_ = step;
  tokens_ = tokens;
}

}  // namespace gigatrain
