// Errors of the CPU kernels, thrown out of line: `.isa.cpp` files must not instantiate std::string.
#pragma once

#include "gigatrain/base/dtype.h"

namespace gigatrain::kernels {

// Throws Error(unsupported): the operation's own checks should have caught it.
[[noreturn]] void unsupported_dtype(const char* kernel, DType dtype);

}  // namespace gigatrain::kernels
