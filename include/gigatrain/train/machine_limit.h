// What this machine can do at best, measured: the yardstick of every "% of limit" we print.
#pragma once

#include "gigatrain/base/dtype.h"
#include "gigatrain/runtime/device.h"

namespace gigatrain {

struct MachineLimit {
  double gemm_flops = 0;  // per second, of a large matrix product
  double copy_bytes = 0;  // per second, read and written, of a copy larger than the caches
};

// The best of a few rounds of a (1024, 768) x (768, 3072) product with operands of `dtype` (f32 or
// bf16), for about `seconds`.
double measure_gemm(Device& device, DType dtype, double seconds = 0.15);
// The best of a few rounds of copying 128 MiB.
double measure_copy(Device& device, double seconds = 0.15);
// Both, the products in `dtype`.
MachineLimit measure_limit(Device& device, DType dtype, double seconds = 0.15);

}  // namespace gigatrain
