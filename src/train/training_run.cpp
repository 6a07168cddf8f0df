#include "gigatrain/train/training_run.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "base/timer.h"
#include "gigatrain/base/error.h"
#include "gigatrain/optim/ema.h"
#include "gigatrain/parallel/data_parallel.h"
#include "gigatrain/runtime/environment.h"
#include "gigatrain/train/generate.h"
#include "gigatrain/train/machine_limit.h"
#include "gigatrain/train/run_folder.h"
#include "gigatrain/train/session.h"
#include "gigatrain/train/trace.h"
#include "gigatrain/version.h"
#include "kernels/reduce.h"
#include "train/agreement.h"
#include "train/run_reporter.h"
#include "train/run_state.h"

namespace gigatrain {

namespace {

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

class Run {
 public:
  // ranks: null for one alone.
  Run(Communicator* ranks, Device& device, const Config& config, RunMode mode,
      RunObserver& observer)
      : ranks_(ranks),
        leads_(!ranks || ranks->rank() == 0),
        device_(device),
        config_(config),
        tokenizer_(make_tokenizer(config)),
        spec_(model_spec(config, tokenizer_.get())),
        batch_(batch_shape(config, spec_.parameters(), ranks ? ranks->size() : 1)),
        train_(open_data(config, Split::train, tokenizer_.get(), spec_.vocab_size(),
                         batch_.global_batch())),
        plan_(plan_memory(spec_, batch_, weight_options(config), plan_target(device, config, ranks),
                          optimizer_options(config))),
        folder_(open_folder(mode)),
        reporter_(device, ranks, folder_, describe_device(), observer) {
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
        RunCheckpoints::Options{.root = folder_.checkpoints(),
                                .checkpoint = {.keep = static_cast<int>(config.checkpoint.keep),
                                               .keep_every = config.checkpoint.keep_every},
                                .on_saved =
                                    [this](const RunCheckpoints::Saved& saved) {
                                      outcome_.checkpoint = saved.written.folder;
                                      outcome_.digest = digest_hex(saved.written.state_digest);
                                      reporter_.saved(saved);
                                    },
                                .on_warning = [this](const std::string& text) { warn(text); },
                                .bandwidth = config.checkpoint.bandwidth * 1e6},
        RunCheckpoints::Source{*model_, *optimizer_, tokenizer_.get(), ranks_});
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
      reporter_.failed(e, trainer_->steps_done());
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
                                  {"training data", digest_hex(train_.digest())},
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
                       {"dataset_digest", digest_hex(train_.digest())}}};
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
    s.dataset_digest = digest_hex(train_.digest());
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
    outcome_.digest = digest_hex(checkpoint.state().state_digest);
  }

  // Of a run in f16; another's scale says nothing.
  void resume_loss_scale(const Checkpoint& checkpoint) {
    const TrainState& saved = checkpoint.state();
    const Config before = parse_config(saved.config, checkpoint.folder() + "/state.json");
    if (compute_dtype(before) == DType::f16)
      trainer_->restore_loss_scale(saved.loss_scale, saved.loss_scale_good_steps);
  }

  void start() {
    reporter_.start({.folder = folder_.path(),
                     .device = describe_device(),
                     .ranks = ranks_ ? ranks_->size() : 1,
                     .parameters = spec_.parameters(),
                     .train_tokens = train_.tokens(),
                     .val_tokens = val_ ? val_->tokens() : 0,
                     .first_step = trainer_->steps_done(),
                     .steps = config_.train.steps,
                     .batch = batch_,
                     .memory = plan_,
                     .limit_flops = limit_flops_},
                    model_->flops_per_token(batch_.seq_len), config_.log.every);
  }

  void after_step(const StepReport& r) {
    checkpoints_->poll();
    reporter_.step(r, trainer_->loss_scale());
    const bool last = r.step == config_.train.steps;
    if (val_ && config_.train.eval_every > 0 && (due(r.step, config_.train.eval_every) || last))
      run_evaluation(r.step);
    if (tokenizer_ && due(r.step, config_.train.sample_every)) run_sample(r.step);
    if (due(r.step, config_.checkpoint.every) || last) save(last);
    outcome_.loss = r.loss;
    reporter_.before_step(r.step + 1);
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
    reporter_.evaluation({.step = step, .evaluation = e, .best = best}, trainer_->tokens_done(),
                         time.ms());
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
    reporter_.sample(text, step);
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

  // Only rank 0 knows what was written.
  void share_outcome() {
    std::int64_t digest = leads_ ? std::stoll(outcome_.digest, nullptr, 16) : 0;
    digest = ranks_->all_reduce(digest, Reduce::max);
    outcome_.digest = digest_hex(static_cast<std::uint64_t>(digest));
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
    reporter_.end(outcome_, trainer_->tokens_done());
    return outcome_;
  }

  void warn(const std::string& text) { reporter_.warn(text, trainer_->steps_done()); }

  Communicator* ranks_;
  bool leads_;
  Device& device_;
  Config config_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  nn::ModelSpec spec_;
  BatchShape batch_;
  TokenSource train_;
  MemoryPlan plan_;
  RunFolder folder_;
  RunReporter reporter_;
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
