// What one call of a kernel must move and compute, from its arguments alone: the yardstick of
// `gigatrain bench kernels`.
#pragma once

#include "kernels/table.h"

namespace gigatrain::kernels {

struct KernelCost {
  // Least possible bytes: every element of an input read once, of an output written once.
  std::int64_t least = 0;
  // Bytes that the GPU's portable kernel reads from memory again, since no cache keeps them. What
  // its workspace costs is not in here: it is written once and read once, whatever the kernel.
  std::int64_t again = 0;
  double flops = 0;      // of matrix products; other arithmetic is never what binds
  bool library = false;  // cuBLASLt or cuDNN decides what is moved
};

#define GT_DECLARE_COST(Args) KernelCost cost_of(const Args& args);
GT_EACH_KERNEL(GT_DECLARE_COST)
#undef GT_DECLARE_COST

}  // namespace gigatrain::kernels
