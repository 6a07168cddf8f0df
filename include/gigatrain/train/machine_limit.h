// What this machine can do at best, measured: the yardstick of every "% of limit" we print.
#pragma once

#include "gigatrain/base/dtype.h"
#include "gigatrain/collectives/communicator.h"
#include "gigatrain/runtime/device.h"

namespace gigatrain {

// All a second. Streamed: written past the caches (kernels/streamed.h); updated: written where it
// was read. What was not measured is 0: bytes then go at the copy rate, and exponentials and random
// words count for nothing.
struct MachineLimit {
  double gemm_flops = 0;  // of a large matrix product
  double copy_bytes = 0;  // read and written, of a copy larger than the caches
  double copy_streamed_bytes = 0, update_bytes = 0;
  double read_bytes = 0;
  double write_bytes = 0, write_streamed_bytes = 0;
  double exps = 0;          // of f32, in the first cache
  double random_words = 0;  // of 32 bits, in registers
};

// The best of a few rounds of a (1024, 768) x (768, 3072) product with operands of `dtype` (f32 or
// bf16), for about `seconds`.
double measure_gemm(Device& device, DType dtype, double seconds = 0.15);
// Of all ranks together, each calling this: rank 0 measures while the others wait. Ranks of one
// machine share the cores of its CPU, and perhaps a GPU.
double measure_gemm_of_ranks(Communicator& ranks, Device& device, DType dtype);
// All but the products: memory over 256 MiB and more; on a GPU the copy rate alone. About `seconds`
// for each.
MachineLimit measure_rates(Device& device, double seconds = 0.15);
// All, the products in `dtype`.
MachineLimit measure_limit(Device& device, DType dtype, double seconds = 0.15);
// The mean of two measurements.
MachineLimit mean_of(const MachineLimit& a, const MachineLimit& b);

// The least time that a call can take, and what takes it: "copy", "copy, streamed", "update",
// "read", "write", "write, streamed", "exp", "random" or "products".
struct Floor {
  double seconds = 0;
  const char* bound = "";
};
// Bytes that are read and bytes that are written go together at the copy rate, what is left of one
// of them at its own; beside that exponentials, random words and products, whichever takes longest.
Floor floor_of(const KernelCost& cost, const MachineLimit& limit);

}  // namespace gigatrain
