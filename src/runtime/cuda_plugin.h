// The contract between the library and libgigatrain_cuda.so.
#pragma once

#include <string>

#include "gigatrain/runtime/device.h"

namespace gigatrain {

// Raised whenever a type that crosses the border changes: kernel arguments, Backend, Allocator.
inline constexpr int kCudaPluginAbi = 4;

// GPUs that this process sees; 0: none can be used, and opening one says why.
int cuda_device_count();

}  // namespace gigatrain
