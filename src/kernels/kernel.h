// Declares how an argument struct is run: by the CPU, and by any other device, which looks its
// kernel up in the device's table (kernels/table.h); and what it must cost (kernels/cost.cpp). A
// kernel that is declared and not written is a link error that names its struct.
#pragma once

#define GT_KERNEL(Args)                         \
  void run(CpuQueue& queue, const Args& args);  \
  void run(Backend& backend, const Args& args); \
  KernelCost cost_of(const Args& args);

// Only the CPU has it: other devices get its result by an upload, so that they start from the same
// bits.
#define GT_HOST_KERNEL(Args) void run(CpuQueue& queue, const Args& args);

namespace gigatrain {
struct CpuQueue;
struct KernelCost;
class Backend;
}  // namespace gigatrain
