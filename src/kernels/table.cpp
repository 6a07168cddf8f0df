#include "kernels/table.h"

namespace gigatrain::kernels {

#define GT_LOOK_UP(Args)                         \
  void run(Backend& backend, const Args& args) { \
    backend.kernels().Args##_run(backend, args); \
  }
GT_EACH_KERNEL(GT_LOOK_UP)
#undef GT_LOOK_UP

}  // namespace gigatrain::kernels
