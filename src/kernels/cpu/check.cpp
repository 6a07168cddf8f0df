#include "kernels/cpu/check.h"

#include <fmt/core.h>

#include "gigatrain/base/error.h"

namespace gigatrain::kernels {

void unsupported_dtype(const char* kernel, DType dtype) {
  throw Error(ErrorCode::unsupported,
              fmt::format("the CPU kernel {} has no version for dtype {}", kernel, name(dtype)),
              "cast the tensor to f32, bf16 or f16");
}

}  // namespace gigatrain::kernels
