#include "gigatrain/train/memory_plan.h"

#include <algorithm>
#include <optional>

#include "gigatrain/collectives/dry_ranks.h"
#include "gigatrain/optim/clip.h"
#include "kernels/dry/dry_queue.h"
#include "train/state_snapshot.h"

namespace gigatrain {

namespace {

constexpr std::int64_t kStagingBytes = 8 << 20;       // pinned, of the CUDA queue
constexpr std::int64_t kLargestMicroBatch = 1 << 20;  // searched

// What Trainer::step submits. The second step is the first of the steady state, and the second
// micro-batch of a leaf stands for all others but the first and the last, whose backward gives
// memory back as it goes.
void run_steps(GradientStep& gradient, optim::Optimizer& optimizer, parallel::DataParallel* ranks) {
  const std::int64_t micro_batches = std::min<std::int64_t>(gradient.shape().micro_batches, 3);
  for (std::int64_t step = 0; step < 2; ++step) {
    gradient.submit(step, gradient.shape().tokens(), micro_batches);
    const Tensor clip = ranks ? ranks->clip_scale(1.0f, gradient.losses())
                              : optim::clip_scale(gradient.parameters(), 1.0f, gradient.losses());
    const optim::StepOptions options{.step = step + 1, .lr = 1e-4f, .clip = clip};
    ranks ? ranks->step(optimizer, options) : optimizer.step(options);
  }
}

MemoryPlan::Host host_bytes(Device& device, const GradientStep& gradient, std::int64_t snapshot) {
  MemoryPlan::Host host{.tokens = gradient.shape().tokens() * 2 * size_of(DType::i32)};
  if (device.is_cpu()) return host;
  host.staging = kStagingBytes;
  host.initial_values = device.host().allocator().stats().reserved;
  host.checkpoint = snapshot;
  return host;
}

std::int64_t reserved_bytes(Device& device) {
  const auto* queue = dynamic_cast<const DryQueue*>(device.backend());
  return queue ? queue->pages_taken() : device.allocator().stats().reserved;
}

}  // namespace

PlanTarget PlanTarget::of(Device& device) {
  PlanTarget target{.facts = device.facts()};
  if (!device.is_cpu()) return target;
  const CpuQueue& queue = device.stream().cpu();
  target.facts.kind = "cpu";
  target.cpu = {.threads = device.pool().threads(), .isa = queue.isa, .bf16 = queue.bf16};
  return target;
}

PlanTarget PlanTarget::gpu(const DeviceFacts& facts) {
  return {.facts = facts};
}

std::unique_ptr<Device> PlanTarget::open() const {
  if (facts.kind != "cpu") return dry_cuda_device(facts);
  CpuOptions options = cpu;
  options.dry = true;
  return std::make_unique<Device>(options);
}

MemoryPlan plan_memory(const nn::ModelSpec& spec, const BatchShape& batch,
                       const nn::MaterializeOptions& weights, const PlanTarget& target,
                       const optim::OptimizerOptions& options) {
  const auto device = target.open();
  const auto model = spec.make();
  if (target.ranks == 1) nn::materialize(*model, *device, weights);
  const auto ranks = target.ranks > 1 ? make_dry_communicator(target.rank, target.ranks) : nullptr;
  std::unique_ptr<parallel::DataParallel> sharing;
  if (ranks) {
    sharing = std::make_unique<parallel::DataParallel>(
        *model, *device, *ranks,
        parallel::DataParallelOptions{.leaves = batch.leaves,
                                      .zero = target.zero,
                                      .whole = optim::whole_tensors(options),
                                      .weights = weights});
  }
  const auto optimizer = optim::make_optimizer(nn::trainable_parameters(*model), options);
  GradientStep gradient(*model, *device, batch, 0, {}, {}, sharing.get());
  StateSnapshot snapshot;  // of a GPU's state it lies on the host: below
  if (target.snapshot && device->is_cpu())
    snapshot.reserve(*model, *optimizer, target.rank, target.ranks);
  run_steps(gradient, *optimizer, sharing.get());
  const MemoryStats stats = device->allocator().stats();
  MemoryPlan plan{
      .total = stats.total.peak,
      .reserved = reserved_bytes(*device),
      .host = host_bytes(*device, gradient,
                         snapshot.bytes(*model, *optimizer, target.rank, target.ranks))};
  for (std::size_t i = 0; i < plan.by_purpose.size(); ++i)
    plan.by_purpose[i] = stats.by_purpose[i].peak;
  return plan;
}

MemoryPlan plan_largest_rank(const nn::ModelSpec& model, const BatchShape& batch,
                             const nn::MaterializeOptions& weights, PlanTarget target,
                             const optim::OptimizerOptions& optimizer) {
  std::optional<MemoryPlan> largest;
  for (target.rank = 0; target.rank < target.ranks; ++target.rank) {
    const MemoryPlan plan = plan_memory(model, batch, weights, target, optimizer);
    if (!largest || plan.total > largest->total) largest = plan;
  }
  return *largest;
}

bool fits(const MemoryPlan& plan, const PlanTarget& target, std::int64_t bytes) {
  if (target.facts.kind == "cpu") return plan.reserved * target.ranks <= bytes;
  return plan.reserved * target.on_one_gpu + kCudaContextBytes <= bytes;
}

std::int64_t largest_micro_batch(const nn::ModelSpec& model, BatchShape batch,
                                 const nn::MaterializeOptions& weights, const PlanTarget& target,
                                 std::int64_t bytes, const optim::OptimizerOptions& optimizer) {
  const auto good = [&](std::int64_t micro_batch) {
    batch.micro_batch = micro_batch;
    return fits(plan_memory(model, batch, weights, target, optimizer), target, bytes);
  };
  if (!good(1)) return 0;
  std::int64_t fit = 1, too_much = 2;
  for (; too_much < kLargestMicroBatch && good(too_much); too_much *= 2) fit = too_much;
  while (too_much - fit > 1) {
    const std::int64_t middle = (fit + too_much) / 2;
    (good(middle) ? fit : too_much) = middle;
  }
  return fit;
}

const std::vector<KnownGpu>& known_gpus() {
  const auto gpu = [](const char* name, const char* model, double gib, int processors,
                      const char* isa) {
    return KnownGpu{name,
                    {.kind = "cuda",
                     .model = model,
                     .processors = processors,
                     .memory = static_cast<std::int64_t>(gib * 1024) << 20,
                     .isa = isa}};
  };
  static const std::vector<KnownGpu> all = {
      gpu("a100-40", "NVIDIA A100 40GB", 39.39, 108, "sm_80"),
      gpu("a100-80", "NVIDIA A100 80GB", 79.14, 108, "sm_80"),
      gpu("h100", "NVIDIA H100 80GB", 79.10, 132, "sm_90"),
      gpu("h200", "NVIDIA H200", 139.70, 132, "sm_90"),
      gpu("b200", "NVIDIA B200", 178.35, 148, "sm_100"),
      gpu("l40s", "NVIDIA L40S", 44.39, 142, "sm_89"),
      gpu("rtx4090", "NVIDIA GeForce RTX 4090", 23.64, 128, "sm_89"),
  };
  return all;
}

std::optional<DeviceFacts> find_gpu(std::string_view name) {
  for (const auto& gpu : known_gpus())
    if (name == gpu.name) return gpu.facts;
  return std::nullopt;
}

}  // namespace gigatrain
