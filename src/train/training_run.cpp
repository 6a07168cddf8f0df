#include "gigatrain/train/training_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/timer.h"
#include "gigatrain/base/error.h"
#include "gigatrain/optim/ema.h"
#include "gigatrain/parallel/data_parallel.h"
#include "gigatrain/runtime/environment.h"
#include "gigatrain/train/generate.h"
#include "gigatrain/train/machine_limit.h"
#include "gigatrain/train/metrics.h"
#include "gigatrain/train/run_folder.h"
#include "gigatrain/train/session.h"
#include "gigatrain/train/trace.h"
#include "gigatrain/version.h"
#include "kernels/reduce.h"
#include "train/agreement.h"
#include "train/kernel_times.h"
#include "train/rank_log.h"
#include "train/run_checkpoints.h"
#include "train/run_state.h"

namespace gigatrain {

namespace {

// At most so often are a step's kernels timed; log.every may be longer.
constexpr std::int64_t kProfileEvery = 10;

bool due(std::int64_t step, std::int64_t every) {
  return every > 0 && step % every == 0;
}

PlanTarget plan_target(Device& device, const Config& config, Communicator* ranks) {
  PlanTarget target = PlanTarget::of(device);
  target.snapshot = saves_in_background(config);
  if (ranks) {
    target.ranks = ranks->size();
    target.rank = ranks->rank();
    target.zero = static_cast<int>(config.parallel.zero);
  }
  return target;
}

// What ranks that do not report tell nobody.
RunObserver& silence() {
  static RunObserver observer;
  return observer;
}

class Run {
 public:
  // ranks: null for one alone.
  Run(Communicator* ranks, Device& device, const Config& config, RunMode mode,
      RunObserver& observer)
      : ranks_(ranks),
        leads_(!ranks || ranks->rank() == 0),
        device_(device),
        config_(config),
        observer_(leads_ ? observer : silence()),
        tokenizer_(make_tokenizer(config)),
        spec_(model_spec(config, tokenizer_.get())),
        batch_(batch_shape(config, spec_.parameters(), ranks ? ranks->size() : 1)),
        train_(open_data(config, Split::train, tokenizer_.get(), spec_.vocab_size(),
                         batch_.global_batch())),
        plan_(plan_memory(spec_, batch_, weight_options(config), plan_target(device, config, ranks),
                          optimizer_options(config))),
        folder_(open_folder(mode)),
        metrics_(leads_ ? MetricsWriter(folder_.metrics()) : MetricsWriter()),
        kernel_times_(device) {
    if (!config.data.val.empty())
      val_.emplace(open_data(config, Split::val, tokenizer_.get(), spec_.vocab_size(),
                             batch_.global_batch()));
    if (ranks_)
      share_model();
    else
      model_ = build_model(device, config, spec_);
    optimizer_ =
        optim::make_optimizer(nn::trainable_parameters(*model_), optimizer_options(config));
    TrainerOptions options = trainer_options(config, batch_);
    if (config.log.trace || Environment::read().trace)
      trace_ = std::make_unique<Trace>(
          device, folder_.trace(rank()),
          TraceOptions{.rank = rank(), .operations = ranks_ ? &ranks_->log() : nullptr});
    options.trace = trace_.get();
    options.ranks = sharing_.get();
    trainer_ = std::make_unique<Trainer>(*model_, *optimizer_, train_, options);
    checkpoints_ = std::make_unique<RunCheckpoints>(
        RunCheckpoints::Options{
            .root = folder_.checkpoints(),
            .checkpoint = {.keep = static_cast<int>(config.checkpoint.keep),
                           .keep_every = config.checkpoint.keep_every},
            .on_saved = [this](const RunCheckpoints::Saved& saved) { report_saved(saved); },
            .on_warning = [this](const std::string& text) { warn(text); },
            .bandwidth = config.checkpoint.bandwidth * 1e6},
        RunCheckpoints::Source{*model_, *optimizer_, tokenizer_.get(), ranks_});
    if (ranks_) rank_log_.emplace(folder_.log(rank()), rank(), ranks_->size(), describe_device());
    if (!folder_.warning().empty()) warn(folder_.warning());
    if (mode == RunMode::resume) resume();
    limit_flops_ = ranks_ ? measure_gemm_of_ranks(*ranks_, device, compute_dtype(config))
                          : measure_gemm(device, compute_dtype(config));
    device.allocator().reset_peak();  // the measurement's memory is not the run's
  }

  RunOutcome execute(const std::function<bool()>& stop_requested) {
    start();
    trainer_->on_step([this](const StepReport& report) { after_step(report); });
    trainer_->stop_when(stop_requested);
    trainer_->save_when([this] { return leads_ && folder_.take_request(); },
                        [this] {
                          if (saved_step_ != trainer_->steps_done()) save(false);
                        });
    StopReason reason;
    try {
      reason = trainer_->fit();
    } catch (const Error& e) {
      metrics_.error(e.message(), trainer_->steps_done());
      if (rank_log_) rank_log_->error(e, ranks_->log());
      settle_after_error();
      throw;
    } catch (...) {  // an observer's
      settle_after_error();
      throw;
    }
    return finish(reason);
  }

 private:
  int rank() const { return ranks_ ? ranks_->rank() : 0; }

  // Rank 0's, after which it is there for the others, who would not train into another run's.
  RunFolder open_folder(RunMode mode) {
    if (ranks_)
      require_agreement(*ranks_, {{"version of gigatrain", GIGATRAIN_VERSION},
                                  {"configuration", to_toml(config_)},
                                  {"training data", fmt::format("{:016x}", train_.digest())},
                                  {"arithmetic", device_.arithmetic(compute_dtype(config_))}});
    if (!leads_) {
      ranks_->barrier().wait();
      return RunFolder::joined(config_.run.dir, config_.run.name);
    }
    RunFolder folder = RunFolder::create(config_.run.dir, config_.run.name, folder_options(mode));
    if (ranks_) ranks_->barrier().wait();
    return folder;
  }

  void share_model() {
    model_ = spec_.make();
    parallel::DataParallelOptions options = sharing_options(config_, batch_);
    options.weights = weights_of(config_, *model_);
    sharing_ = std::make_unique<parallel::DataParallel>(*model_, device_, *ranks_, options);
  }

  RunFolderOptions folder_options(RunMode mode) const {
    const std::int64_t parts = ranks_ && config_.parallel.zero > 0 ? ranks_->size() : 1;
    const std::int64_t checkpoint = spec_.parameters() * 4 + plan_.of(Purpose::optimizer) * parts;
    return {.mode = mode,
            .config_toml = to_toml(config_),
            .bytes_needed = checkpoint * (config_.checkpoint.keep + 2) + (1 << 20),
            .record = {{"seed", std::to_string(config_.train.seed)},
                       {"device", describe_device()},
                       {"ranks", std::to_string(ranks_ ? ranks_->size() : 1)},
                       {"arithmetic", device_.arithmetic(compute_dtype(config_))},
                       {"dataset_digest", fmt::format("{:016x}", train_.digest())}}};
  }

  std::string describe_device() const {
    const DeviceFacts f = device_.facts();
    if (!device_.is_cpu()) return fmt::format("{}, {}", f.model, f.isa);
    const Bf16Products bf16 = device_.stream().cpu().bf16;
    const bool own = compute_dtype(config_) == DType::bf16 && bf16 != Bf16Products::widened;
    return fmt::format("{}, {} thread{}, {}{}", f.model, f.processors, f.processors == 1 ? "" : "s",
                       f.isa, own ? fmt::format(", bf16 by {}", name(bf16)) : "");
  }

  TrainState state() const {
    TrainState s;
    s.step = trainer_->steps_done();
    s.tokens = trainer_->tokens_done();
    s.seed = static_cast<std::uint64_t>(config_.train.seed);
    s.leaves = batch_.leaves;
    s.scalar_chunk = kernels::kScalarChunk;
    if (const auto& scale = trainer_->loss_scale())
      s.loss_scale = scale->value(), s.loss_scale_good_steps = scale->good_steps();
    s.best_eval_loss = best_;
    s.numerics = config_.train.numerics;
    s.schedule = config_.schedule.kind;
    s.config = to_toml(config_);
    s.dataset_digest = fmt::format("{:016x}", train_.digest());
    s.run_name = config_.run.name;
    s.isa = device_.arithmetic(compute_dtype(config_));
    s.library_version = GIGATRAIN_VERSION;
    if (Backend* backend = device_.backend()) s.algorithms = backend->algorithms();
    return s;
  }

  void resume() {
    std::vector<std::string> warnings;
    const Checkpoint checkpoint = newest_whole(folder_.path(), &warnings, ranks_);
    for (const auto& text : check_resumable(checkpoint.state(), state())) warnings.push_back(text);
    for (const auto& text : warnings) warn(text);
    if (Backend* backend = device_.backend())
      backend->set_algorithms(checkpoint.state().algorithms);
    restore(checkpoint, *model_, *optimizer_, ranks_);
    trainer_->resume_at(checkpoint.state().step, checkpoint.state().tokens);
    resume_loss_scale(checkpoint);
    best_ = checkpoint.state().best_eval_loss;
    saved_step_ = checkpoint.state().step;
    outcome_.checkpoint = checkpoint.folder();
    outcome_.digest = fmt::format("{:016x}", checkpoint.state().state_digest);
  }

  // Of a run in f16; another's scale says nothing.
  void resume_loss_scale(const Checkpoint& checkpoint) {
    const TrainState& saved = checkpoint.state();
    const Config before = parse_config(saved.config, checkpoint.folder() + "/state.json");
    if (compute_dtype(before) == DType::f16)
      trainer_->restore_loss_scale(saved.loss_scale, saved.loss_scale_good_steps);
  }

  void start() {
    observer_.on_start({.folder = folder_.path(),
                        .device = describe_device(),
                        .ranks = ranks_ ? ranks_->size() : 1,
                        .parameters = spec_.parameters(),
                        .train_tokens = train_.tokens(),
                        .val_tokens = val_ ? val_->tokens() : 0,
                        .first_step = trainer_->steps_done(),
                        .steps = config_.train.steps,
                        .batch = batch_,
                        .memory = plan_,
                        .limit_flops = limit_flops_});
    metrics_.start(
        trainer_->steps_done(), {{"version", GIGATRAIN_VERSION}, {"device", describe_device()}},
        {{"limit_flops", limit_flops_}, {"parameters", static_cast<double>(spec_.parameters())}});
  }

  void after_step(const StepReport& r) {
    checkpoints_->poll();
    interval_ms_ += r.step_ms;
    interval_tokens_ += r.batch_tokens;
    report_profile(r);
    // A moving average, so that the time left does not jump.
    const double leaf_ms = r.step_ms / static_cast<double>(batch_.leaves_at(r.step - 1));
    leaf_ms_ = leaf_ms_ == 0 ? leaf_ms : 0.95 * leaf_ms_ + 0.05 * leaf_ms;
    report_step(r);
    const bool last = r.step == config_.train.steps;
    if (val_ && config_.train.eval_every > 0 && (due(r.step, config_.train.eval_every) || last))
      run_evaluation(r.step);
    if (tokenizer_ && due(r.step, config_.train.sample_every)) run_sample(r.step);
    if (due(r.step, config_.checkpoint.every) || last) save(last);
    outcome_.loss = r.loss;
    if (due(r.step + 1, std::max(config_.log.every, kProfileEvery))) kernel_times_.start();
  }

  // Of the step that start() began above, so evaluations, samples and checkpoints are not in it.
  void report_profile(const StepReport& r) {
    ProfileMetrics profile{
        .step = r.step, .step_ms = r.step_ms, .kernel_ms = kernel_times_.stop(), .mem_bytes = {}};
    if (profile.kernel_ms.empty()) return;
    const MemoryStats memory = device_.allocator().stats();
    for (std::size_t i = 0; i < memory.by_purpose.size(); ++i)
      profile.mem_bytes[name(static_cast<Purpose>(i))] = memory.by_purpose[i].peak;
    metrics_.profile(profile);
  }

  std::int64_t remaining_leaves_after(std::int64_t step) const {
    return batch_.leaves_before(config_.train.steps) - batch_.leaves_before(step);
  }

  void report_step(const StepReport& r) {
    const double rate = static_cast<double>(interval_tokens_) / interval_ms_ * 1e3;
    const double used = rate * model_->flops_per_token(batch_.seq_len) / limit_flops_;
    const bool log = due(r.step, config_.log.every) || r.step == config_.train.steps || r.skipped;
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
                   .loss_scale = trainer_->loss_scale() ? r.loss_scale : kNotMeasured,
                   .ranks = log ? r.ranks : std::vector<RankTimes>()});
    if (rank_log_ && log) rank_log_->step(r, memory);
    if (r.skipped) metrics_.warn("the step was skipped: " + r.reason, r.step);
    report_loss_scale(r);
    observer_.on_step(
        {.report = r,
         .steps = config_.train.steps,
         .tokens_per_s = rate,
         .limit_fraction = used,
         .eta_seconds = static_cast<double>(remaining_leaves_after(r.step)) * leaf_ms_ / 1e3,
         .memory_bytes = memory,
         .log = log});
    if (log) interval_ms_ = 0, interval_tokens_ = 0;
  }

  void report_loss_scale(const StepReport& r) {
    const auto& scale = trainer_->loss_scale();
    if (scale && scale->value() > r.loss_scale)  // a lower one is the reason of a skipped step
      warn(fmt::format("the loss scale rises from {:g} to {:g}", r.loss_scale, scale->value()));
  }

  void run_evaluation(std::int64_t step) {
    const Timer time;
    const optim::Ema::Swapped averaged(optimizer_->ema());
    const Evaluation e = evaluate(*model_, device_, *val_,
                                  {.micro_batch = batch_.micro_batch,
                                   .batches = config_.train.eval_batches,
                                   .ranks = ranks_});
    const bool best = e.loss < best_;
    if (best) best_ = e.loss, best_step_ = step;
    outcome_.val_loss = e.loss;
    metrics_.eval({.step = step,
                   .tokens = trainer_->tokens_done(),
                   .loss = e.loss,
                   .best = best,
                   .eval_ms = time.ms()});
    observer_.on_eval({.step = step, .evaluation = e, .best = best});
  }

  void run_sample(std::int64_t step) {
    const optim::Ema::Swapped averaged(optimizer_->ema());
    std::vector<std::int32_t> prompt = tokenizer_->encode(config_.train.sample_prompt);
    if (prompt.empty()) prompt.push_back(tokenizer_->eot().value_or(0));
    const auto ids = generate(*model_, device_, prompt,
                              {.max_tokens = config_.train.sample_tokens,
                               .seed = static_cast<std::uint64_t>(config_.train.seed)});
    Utf8Stream utf8;
    std::string text = config_.train.sample_prompt + utf8.push(tokenizer_->decode(ids));
    text += utf8.finish();
    metrics_.sample(text, step);
    observer_.on_sample(text, step);
  }

  // Nothing is trained beside the last one.
  void save(bool last) {
    saved_step_ = trainer_->steps_done();
    const bool is_best = best_step_ == saved_step_;
    if (config_.checkpoint.async && !last)
      checkpoints_->save_in_background(state(), is_best);
    else
      checkpoints_->save(state(), is_best);
  }

  void report_saved(const RunCheckpoints::Saved& saved) {
    const WrittenCheckpoint& w = saved.written;
    outcome_.checkpoint = w.folder;
    outcome_.digest = fmt::format("{:016x}", w.state_digest);
    metrics_.ckpt({.step = saved.step,
                   .tokens = saved.tokens,
                   .path = w.folder,
                   .digest = outcome_.digest,
                   .bytes = w.bytes,
                   .ckpt_ms = saved.write_ms,
                   .stall_ms = saved.stall_ms});
    observer_.on_checkpoint({.path = w.folder,
                             .digest = outcome_.digest,
                             .step = saved.step,
                             .bytes = w.bytes,
                             .stall_ms = saved.stall_ms,
                             .write_ms = saved.write_ms});
  }

  // Only rank 0 knows what was written.
  void share_outcome() {
    std::int64_t digest = leads_ ? std::stoll(outcome_.digest, nullptr, 16) : 0;
    digest = ranks_->all_reduce(digest, Reduce::max);
    outcome_.digest = fmt::format("{:016x}", digest);
    outcome_.checkpoint = fmt::format("{}/step_{:08d}", folder_.checkpoints(), saved_step_);
  }

  // The error that ends the run matters more than one of the checkpoint in flight. Other ranks may
  // be elsewhere: theirs is given up.
  void settle_after_error() {
    if (ranks_) return;
    try {
      checkpoints_->settle();
    } catch (const Error& e) {
      warn(e.message());
    }
  }

  RunOutcome finish(StopReason reason) {
    checkpoints_->settle();
    if (saved_step_ != trainer_->steps_done()) save(true);
    outcome_.reason = reason;
    outcome_.step = trainer_->steps_done();
    outcome_.folder = folder_.path();
    if (ranks_) share_outcome();
    constexpr const char* kReasons[] = {"finished", "time_limit", "requested"};
    metrics_.end({.step = outcome_.step,
                  .tokens = trainer_->tokens_done(),
                  .reason = kReasons[static_cast<int>(reason)],
                  .loss = outcome_.loss,
                  .digest = outcome_.digest});
    return outcome_;
  }

  void warn(const std::string& text) {
    metrics_.warn(text, trainer_->steps_done());
    observer_.on_warning(text);
  }

  Communicator* ranks_;
  bool leads_;
  Device& device_;
  Config config_;
  RunObserver& observer_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  nn::ModelSpec spec_;
  BatchShape batch_;
  TokenSource train_;
  MemoryPlan plan_;
  RunFolder folder_;
  MetricsWriter metrics_;
  std::optional<RankLog> rank_log_;  // where there are several
  KernelTimes kernel_times_;
  std::optional<TokenSource> val_;
  std::shared_ptr<nn::LanguageModel> model_;
  std::unique_ptr<parallel::DataParallel> sharing_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  std::unique_ptr<Trace> trace_;
  std::unique_ptr<Trainer> trainer_;
  std::unique_ptr<RunCheckpoints> checkpoints_;
  double limit_flops_ = 0;
  double best_ = std::numeric_limits<double>::infinity();
  std::int64_t best_step_ = -1, saved_step_ = -1;
  double interval_ms_ = 0, leaf_ms_ = 0;
  std::int64_t interval_tokens_ = 0;
  RunOutcome outcome_{.loss = std::nan(""), .val_loss = std::nan("")};
};

}  // namespace

RunOutcome train_run(Device& device, const Config& config, RunMode mode, RunObserver& observer,
                     const std::function<bool()>& stop_requested) {
  return Run(nullptr, device, config, mode, observer).execute(stop_requested);
}

RunOutcome train_run(Communicator& ranks, Device& device, const Config& config, RunMode mode,
                     RunObserver& observer, const std::function<bool()>& stop_requested) {
  return Run(&ranks, device, config, mode, observer).execute(stop_requested);
}

}  // namespace gigatrain
