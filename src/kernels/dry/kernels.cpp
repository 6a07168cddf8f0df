#include "kernels/cuda/all.cuh"
#include "kernels/dry/dry_queue.h"
#include "kernels/table.h"

namespace gigatrain {

namespace kernels {
#define GT_DEFINE(Args)                                \
  static void run(DryQueue& queue, const Args& args) { \
    cuda::launch(queue, args);                         \
  }
GT_EACH_KERNEL(GT_DEFINE)
#undef GT_DEFINE
}  // namespace kernels

const kernels::Table& DryQueue::kernels() const {
  static constexpr kernels::Table kTable = kernels::table_of<DryQueue>();
  return kTable;
}

}  // namespace gigatrain
