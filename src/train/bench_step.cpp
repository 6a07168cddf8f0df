#include "gigatrain/train/bench_step.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/median.h"
#include "gigatrain/base/error.h"
#include "gigatrain/train/session.h"
#include "train/kernel_profile.h"

namespace gigatrain {

namespace {

constexpr int kWarmUp = 2;  // the first step allocates, the second is like all later ones
constexpr double kMeasureSeconds = 0.2;

// Token n of the endless text is 7919 n modulo the vocabulary: rows of the table far apart.
class MadeUpTokens final : public BatchSource {
 public:
  MadeUpTokens(std::int64_t seq_len, std::int64_t global_batch, std::int64_t vocab_size)
      : fields_(token_fields(seq_len)), batch_(global_batch), vocab_(vocab_size) {}

  const std::vector<nn::FieldSpec>& fields() const override { return fields_; }
  std::int64_t global_batch() const override { return batch_; }
  void fill(std::int64_t step, std::int64_t first_sample, std::int64_t count,
            FieldPointers out) const override {
    check_request(step, first_sample, count);
    const std::int64_t first = (step * batch_ + first_sample) * positions();
    auto* tokens = static_cast<std::int32_t*>(out[0]);
    auto* targets = static_cast<std::int32_t*>(out[1]);
    for (std::int64_t i = 0; i < count * positions(); ++i)
      tokens[i] = token(first + i), targets[i] = token(first + i + 1);
  }
  std::int64_t loss_terms(std::int64_t count, FieldPointers) const override {
    return count * positions();
  }
  std::uint64_t digest() const override { return 0; }
  std::int64_t positions() const override { return fields_[0].shape[0]; }
  std::string_view unit() const override { return "tokens"; }

 private:
  std::int32_t token(std::int64_t n) const { return static_cast<std::int32_t>(n * 7919 % vocab_); }
  std::vector<nn::FieldSpec> fields_;
  std::int64_t batch_, vocab_;
};

std::unique_ptr<BatchSource> make_source(const Config& config, const Tokenizer* tokenizer,
                                         const nn::ModelSpec& spec, std::int64_t global_batch,
                                         bool synthetic) {
  if (synthetic)
    return std::make_unique<MadeUpTokens>(config.train.seq_len, global_batch, spec.vocab_size());
  try {
    return std::make_unique<TokenSource>(
        open_data(config, Split::train, tokenizer, spec.vocab_size(), global_batch));
  } catch (const Error& e) {
    throw Error(e.code(), e.message(), "add --synthetic to time the step on made-up tokens");
  }
}

// Of a batch ramp.
BatchShape largest_step(const Config& config, const nn::ModelSpec& spec) {
  BatchShape batch = batch_shape(config, spec.parameters());
  batch.ramp.clear();
  return batch;
}

MachineLimit measure(Device& device, const Config& config) {
  const MachineLimit limit = measure_limit(device, compute_dtype(config), kMeasureSeconds);
  device.allocator().trim();
  return limit;
}

struct Observed {
  double ms = 0;
  std::unique_ptr<KernelProfile> profile{};
};

Observed median_observed(Device& device, StepBench& bench, std::int64_t steps) {
  std::vector<Observed> all;
  for (std::int64_t i = 0; i < steps; ++i) {
    all.push_back({.ms = 0, .profile = std::make_unique<KernelProfile>(device)});
    all.back().ms = bench.step().step_ms;
    all.back().profile->stop();
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.ms < b.ms; });
  return std::move(all[all.size() / 2]);
}

}  // namespace

struct StepBench::Impl {
  std::shared_ptr<const Tokenizer> tokenizer;
  nn::ModelSpec spec;
  BatchShape batch;
  std::unique_ptr<BatchSource> data;
  std::shared_ptr<nn::LanguageModel> model;
  std::unique_ptr<optim::Optimizer> optimizer;
  Trainer trainer;

  Impl(Device& device, const Config& config, bool synthetic)
      : tokenizer(make_tokenizer(config)),
        spec(model_spec(config, tokenizer.get())),
        batch(largest_step(config, spec)),
        data(make_source(config, tokenizer.get(), spec, batch.global_batch(), synthetic)),
        model(build_model(device, config, spec)),
        optimizer(
            optim::make_optimizer(nn::trainable_parameters(*model), optimizer_options(config))),
        trainer(*model, *optimizer, *data, trainer_options(config, batch)) {}
};

StepBench::StepBench(Device& device, const Config& config, bool synthetic)
    : impl_(std::make_unique<Impl>(device, config, synthetic)) {}
StepBench::~StepBench() = default;

StepReport StepBench::step() {
  return impl_->trainer.step();
}
std::int64_t StepBench::parameters() const {
  return impl_->spec.parameters();
}
BatchShape StepBench::batch() const {
  return impl_->batch;
}
double StepBench::flops() const {
  return impl_->model->flops_per_token(impl_->batch.seq_len) *
         static_cast<double>(impl_->batch.tokens());
}

double StepTimes::kernels_ms() const {
  double sum = 0;
  for (const auto& k : kernels) sum += k.ms;
  return sum;
}
double StepTimes::tokens_per_s() const {
  return static_cast<double>(batch.tokens()) / median_ms * 1e3;
}
double StepTimes::flops_per_s() const {
  return flops / median_ms * 1e3;
}
double StepTimes::percent_of_limit() const {
  return 100 * flops_per_s() / limit.gemm_flops;
}

StepTimes bench_step(Device& device, const Config& config, const StepBenchOptions& options) {
  if (options.steps < 1 || options.observed < 1)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("at least one step must be timed and one observed, got {} and {}",
                            options.steps, options.observed));
  std::optional<StepBench> bench(std::in_place, device, config, options.synthetic);
  StepTimes times{
      .parameters = bench->parameters(), .batch = bench->batch(), .flops = bench->flops()};
  const MachineLimit before = measure(device, config);
  for (int i = 0; i < kWarmUp; ++i) bench->step();
  device.allocator().reset_peak();
  const std::int64_t allocations = device.allocator().stats().system_allocations;
  for (std::int64_t i = 0; i < options.steps; ++i) times.ms.push_back(bench->step().step_ms);
  times.memory = device.allocator().stats();
  times.allocations = times.memory.system_allocations - allocations;
  times.median_ms = median(times.ms);
  const Observed observed = median_observed(device, *bench, options.observed);
  bench.reset();
  device.allocator().trim();
  const MachineLimit after = measure(device, config);
  times.limit = mean_of(before, after);
  times.kernels = observed.profile->by_kernel(times.limit);
  times.observed_ms = observed.ms;
  // Markers take a device's time between kernels, which belongs to no step.
  times.outside_ms =
      std::max(0.0, (device.is_cpu() ? observed.ms : times.median_ms) - times.kernels_ms());
  return times;
}

}  // namespace gigatrain
