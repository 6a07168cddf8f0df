// Times every kernel of GPT-2 124M's training step, at its shapes, beside what the device can do at
// best: `gigatrain bench kernels`.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gigatrain/base/dtype.h"
#include "gigatrain/runtime/device.h"
#include "gigatrain/train/machine_limit.h"

namespace gigatrain {

struct KernelBenchOptions {
  DType dtype = DType::f32;    // of activations: f32 or bf16
  std::int64_t sequences = 0;  // of 1,024 tokens; 0: 8 on a GPU, 1 on a CPU
  std::string filter{};        // only kernels whose name contains it
};

// One call of one kernel, from its arguments alone.
struct KernelBytes {
  std::string name, shape;  // "layer_norm_backward, fused", "8192 x 768"
  KernelCost cost;
  // What our GPU kernel moves: also its workspace, written and read once, and inputs that it reads
  // again. 0: a library (cuBLASLt, cuDNN) decides.
  double moved = 0;
};
std::vector<KernelBytes> kernel_bytes(const KernelBenchOptions& options);  // needs no device

struct KernelTime {
  KernelBytes call;
  double ms = 0;        // median
  std::string bound{};  // what its floor is of (machine_limit.h): "read", "exp"
  double percent_of_limit = 0;
};
struct KernelBench {
  MachineLimit limit{};                // its products of the dtype that is timed
  double gemm_f32 = 0, gemm_bf16 = 0;  // FLOP/s, measured
  std::vector<KernelTime> times;
};
// `done` is called after each kernel.
KernelBench bench_kernels(Device& device, const KernelBenchOptions& options,
                          const std::function<void(const KernelTime&)>& done = {});

}  // namespace gigatrain
