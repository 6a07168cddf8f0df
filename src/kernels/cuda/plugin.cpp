// The entry points of libgigatrain_cuda.so, which the library loads when a GPU is asked for
// (runtime/cuda_plugin.cpp).
#include "kernels/table.h"
#include "runtime/cuda/cuda_queue.h"
#include "runtime/cuda_plugin.h"

namespace gigatrain::kernels {

#define GT_DECLARE(Args) void run(CudaQueue& queue, const Args& args);
GT_EACH_KERNEL(GT_DECLARE)
#undef GT_DECLARE

}  // namespace gigatrain::kernels

extern "C" {

int gigatrain_cuda_abi() {
  return gigatrain::kCudaPluginAbi;
}

void gigatrain_cuda_describe(std::vector<std::pair<std::string, std::string>>* facts) {
  *facts = gigatrain::cuda_build_facts();
}

int gigatrain_cuda_count() {
  return gigatrain::cuda_gpus();
}

gigatrain::Backend* gigatrain_cuda_open(const gigatrain::CudaOptions* options) {
  static constexpr gigatrain::kernels::Table kTable =
      gigatrain::kernels::table_of<gigatrain::CudaQueue>();
  return new gigatrain::CudaQueue(*options, kTable);
}
}
