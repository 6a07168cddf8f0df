// What a processor does at best, one thing at a time, for the limits of `gigatrain bench`: reading
// memory, exponentials in the first cache, random words in registers. Each adds up what it makes
// and writes one number a task, so that no compiler leaves the work out.
#pragma once

#include "gigatrain/base/philox.h"
#include "gigatrain/base/tensor_view.h"
#include "kernels/kernel.h"

namespace gigatrain::kernels {

inline constexpr std::int64_t kProbeTask = 16384;  // elements or words a task

struct ReadProbe {
  static constexpr const char* kName = "read_probe";
  TensorView x;     // i32, contiguous, a multiple of kProbeTask
  TensorView sums;  // i32, one a task
};

struct ExpProbe {
  static constexpr const char* kName = "exp_probe";
  TensorView sums;  // f32, one a task
};

struct RandomProbe {
  static constexpr const char* kName = "random_probe";
  PhiloxKey key{};
  TensorView sums;  // i32, one a task
};

GT_HOST_KERNEL(ReadProbe)
GT_HOST_KERNEL(ExpProbe)
GT_HOST_KERNEL(RandomProbe)

}  // namespace gigatrain::kernels
