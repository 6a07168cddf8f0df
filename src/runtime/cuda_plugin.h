// The contract between the library and libgigatrain_cuda.so.
#pragma once

#include <string>

#include "gigatrain/runtime/device.h"

namespace gigatrain {

// Raised whenever a type that crosses the border changes: kernel arguments, Backend, Allocator.
inline constexpr int kCudaPluginAbi = 3;

}  // namespace gigatrain
