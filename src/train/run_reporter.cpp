#include "train/run_reporter.h"

#include <fmt/format.h>

#include <algorithm>

#include "gigatrain/version.h"

namespace gigatrain {

namespace {

// At most so often are a step's kernels timed; log.every may be longer.
constexpr std::int64_t kProfileEvery = 10;

bool leads(const Communicator* ranks) {
  return !ranks || ranks->rank() == 0;
}

// What ranks that do not report tell nobody.
RunObserver& silence() {
  static RunObserver observer;
  return observer;
}

}  // namespace

RunReporter::RunReporter(Device& device, Communicator* ranks, const RunFolder& folder,
                         const std::string& name, RunObserver& observer)
    : device_(device),
      ranks_(ranks),
      observer_(leads(ranks) ? observer : silence()),
      metrics_(leads(ranks) ? MetricsWriter(folder.metrics()) : MetricsWriter()),
      kernel_times_(device) {
  if (ranks) rank_log_.emplace(folder.log(ranks->rank()), ranks->rank(), ranks->size(), name);
}

void RunReporter::start(const RunSummary& run, double flops_per_token, std::int64_t log_every) {
  run_ = run;
  flops_per_token_ = flops_per_token;
  log_every_ = log_every;
  observer_.on_start(run);
  metrics_.start(
      run.first_step, {{"version", GIGATRAIN_VERSION}, {"device", run.device}},
      {{"limit_flops", run.limit_flops}, {"parameters", static_cast<double>(run.parameters)}});
}

void RunReporter::step(const StepReport& r, const std::optional<LossScale>& scale) {
  profile(r);
  interval_ms_ += r.step_ms;
  interval_tokens_ += r.batch_tokens;
  // A moving average, so that the time left does not jump.
  const double leaf_ms = r.step_ms / static_cast<double>(run_.batch.leaves_at(r.step - 1));
  leaf_ms_ = leaf_ms_ == 0 ? leaf_ms : 0.95 * leaf_ms_ + 0.05 * leaf_ms;
  const double rate = static_cast<double>(interval_tokens_) / interval_ms_ * 1e3;
  const double used = rate * flops_per_token_ / run_.limit_flops;
  const bool log = r.step % log_every_ == 0 || r.step == run_.steps || r.skipped;
  const std::int64_t memory = device_.allocator().stats().total.peak;
  metrics_.step({.step = r.step,
                 .tokens = r.tokens,
                 .loss = r.loss,
                 .lr = static_cast<double>(r.lr),
                 .grad_norm = r.grad_norm,
                 .step_ms = r.step_ms,
                 .tokens_per_s = static_cast<double>(r.batch_tokens) / r.step_ms * 1e3,
                 .mfu = used,
                 .mem_bytes = memory,
                 .comm_ms = r.ranks.empty() ? kNotMeasured : r.ranks.front().wait_ms,
                 .data_ms = r.data_ms,
                 .loss_scale = scale ? r.loss_scale : kNotMeasured,
                 .ranks = log ? r.ranks : std::vector<RankTimes>()});
  if (rank_log_ && log) rank_log_->step(r, memory);
  if (r.skipped) metrics_.warn("the step was skipped: " + r.reason, r.step);
  loss_scale(r, scale);
  observer_.on_step({.report = r,
                     .steps = run_.steps,
                     .tokens_per_s = rate,
                     .limit_fraction = used,
                     .eta_seconds = eta_seconds(r.step),
                     .memory_bytes = memory,
                     .log = log});
  if (log) interval_ms_ = 0, interval_tokens_ = 0;
}

// Of a step that before_step() announced, so evaluations, samples and checkpoints are not in it.
void RunReporter::profile(const StepReport& r) {
  ProfileMetrics profile{
      .step = r.step, .step_ms = r.step_ms, .kernel_ms = kernel_times_.stop(), .mem_bytes = {}};
  if (profile.kernel_ms.empty()) return;
  const MemoryStats memory = device_.allocator().stats();
  for (std::size_t i = 0; i < memory.by_purpose.size(); ++i)
    profile.mem_bytes[name(static_cast<Purpose>(i))] = memory.by_purpose[i].peak;
  metrics_.profile(profile);
}

void RunReporter::loss_scale(const StepReport& r, const std::optional<LossScale>& scale) {
  if (scale && scale->value() > r.loss_scale)  // a lower one is the reason of a skipped step
    warn(fmt::format("the loss scale rises from {:g} to {:g}", r.loss_scale, scale->value()),
         r.step);
}

double RunReporter::eta_seconds(std::int64_t step) const {
  const std::int64_t left = run_.batch.leaves_before(run_.steps) - run_.batch.leaves_before(step);
  return static_cast<double>(left) * leaf_ms_ / 1e3;
}

void RunReporter::before_step(std::int64_t step) {
  if (step % std::max(log_every_, kProfileEvery) == 0) kernel_times_.start();
}

void RunReporter::evaluation(const EvalLine& line, std::int64_t tokens, double ms) {
  metrics_.eval({.step = line.step,
                 .tokens = tokens,
                 .loss = line.evaluation.loss,
                 .best = line.best,
                 .eval_ms = ms});
  observer_.on_eval(line);
}

void RunReporter::sample(const std::string& text, std::int64_t step) {
  metrics_.sample(text, step);
  observer_.on_sample(text, step);
}

void RunReporter::saved(const RunCheckpoints::Saved& saved) {
  const WrittenCheckpoint& w = saved.written;
  const std::string digest = digest_hex(w.state_digest);
  metrics_.ckpt({.step = saved.step,
                 .tokens = saved.tokens,
                 .path = w.folder,
                 .digest = digest,
                 .bytes = w.bytes,
                 .ckpt_ms = saved.write_ms,
                 .stall_ms = saved.stall_ms});
  observer_.on_checkpoint({.path = w.folder,
                           .digest = digest,
                           .step = saved.step,
                           .bytes = w.bytes,
                           .stall_ms = saved.stall_ms,
                           .write_ms = saved.write_ms});
}

void RunReporter::warn(const std::string& text, std::int64_t step) {
  metrics_.warn(text, step);
  observer_.on_warning(text);
}

void RunReporter::failed(const Error& error, std::int64_t step) {
  metrics_.error(error.message(), step);
  if (rank_log_) rank_log_->error(error, ranks_->log());
}

void RunReporter::end(const RunOutcome& outcome, std::int64_t tokens) {
  constexpr const char* kReasons[] = {"finished", "time_limit", "requested"};
  metrics_.end({.step = outcome.step,
                .tokens = tokens,
                .reason = kReasons[static_cast<int>(outcome.reason)],
                .loss = outcome.loss,
                .digest = outcome.digest});
}

}  // namespace gigatrain
