#include "kernels/cuda/all.cuh"
#include "kernels/simt/simt_queue.h"
#include "kernels/table.h"

namespace gigatrain {

namespace kernels {
#define GT_DEFINE(Args)                                 \
  static void run(SimtQueue& queue, const Args& args) { \
    cuda::launch(queue, args);                          \
  }
GT_EACH_KERNEL(GT_DEFINE)
#undef GT_DEFINE
}  // namespace kernels

const kernels::Table& SimtQueue::kernels() const {
  static constexpr kernels::Table kTable = kernels::table_of<SimtQueue>();
  return kTable;
}

}  // namespace gigatrain
