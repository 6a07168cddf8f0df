// How much memory a run will take: a whole training step is run on a dry device, which counts
// blocks and computes nothing, so the plan is what the run itself would do. No GPU is needed to
// plan for one.
//
//   const MemoryPlan plan = plan_memory(sizes, batch, {.compute = DType::bf16},
//                                       PlanTarget::gpu(*find_gpu("h100")));
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "gigatrain/nn/models/model_spec.h"
#include "gigatrain/optim/make_optimizer.h"
#include "gigatrain/runtime/device.h"
#include "gigatrain/train/gradient_step.h"

namespace gigatrain {

// The device a plan is for.
struct PlanTarget {
  DeviceFacts facts;      // kind "cpu", else a GPU of this description
  CpuOptions cpu{};       // of a CPU: its scratch memory depends on threads and vector code
  bool snapshot = false;  // a copy of the state is kept for saves while training goes on
  int ranks = 1, rank = 0, zero = 0;  // the plan is of one rank, with this stage of ZeRO
  int on_one_gpu = 1;                 // ranks that share a GPU; those of a CPU always share it

  static PlanTarget of(Device& device);
  static PlanTarget gpu(const DeviceFacts& facts);
  std::unique_ptr<Device> open() const;  // dry
};

struct MemoryPlan {
  // Bytes of live blocks at their peak, by Purpose. Purposes peak at different moments, so `total`,
  // the peak of the sum, may be less than the sum of the peaks.
  std::array<std::int64_t, static_cast<std::size_t>(Purpose::count_)> by_purpose{};
  std::int64_t total = 0;
  // What the device gives for them: blocks are rounded up to bins and kept, and on a GPU the driver
  // hands out pages of 2 MiB.
  std::int64_t reserved = 0;

  std::int64_t of(Purpose purpose) const { return by_purpose[static_cast<std::size_t>(purpose)]; }

  // Of the host beside a GPU; on a CPU only `tokens`, the rest is the device's own memory.
  struct Host {
    std::int64_t tokens = 0;          // the step's batch
    std::int64_t staging = 0;         // pinned
    std::int64_t initial_values = 0;  // made here, then uploaded
    std::int64_t checkpoint = 0;      // copies of the weights and the optimizer's state, in a save
    std::int64_t total() const { return tokens + staging + initial_values + checkpoint; }
  } host;
};

MemoryPlan plan_memory(const nn::ModelSpec& model, const BatchShape& batch,
                       const nn::MaterializeOptions& weights, const PlanTarget& target,
                       const optim::OptimizerOptions& optimizer = {});
// Of the rank that needs most, whatever target.rank says.
MemoryPlan plan_largest_rank(const nn::ModelSpec& model, const BatchShape& batch,
                             const nn::MaterializeOptions& weights, PlanTarget target,
                             const optim::OptimizerOptions& optimizer = {});

// Of a GPU's memory, what the CUDA context and the loaded kernels take.
inline constexpr std::int64_t kCudaContextBytes = 717 << 20;  // about 0.7 GiB

// Does the plan fit a device with `bytes` of memory?
bool fits(const MemoryPlan& plan, const PlanTarget& target, std::int64_t bytes);

// The largest micro-batch that fits, with leaves, A and seq_len of `batch` as they are; 0: none.
std::int64_t largest_micro_batch(const nn::ModelSpec& model, BatchShape batch,
                                 const nn::MaterializeOptions& weights, const PlanTarget& target,
                                 std::int64_t bytes, const optim::OptimizerOptions& optimizer = {});

// GPUs that plans know by name: "a100-40", "a100-80", "h100", "h200", "b200", "l40s", "rtx4090".
// `memory` is what the driver reports as the device's.
struct KnownGpu {
  const char* name;
  DeviceFacts facts;
};
const std::vector<KnownGpu>& known_gpus();
std::optional<DeviceFacts> find_gpu(std::string_view name);

}  // namespace gigatrain
