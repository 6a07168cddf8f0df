// nvcc's side of a portable kernel: the Cta of a real block, and the launch. A .cu file includes
// this and its kernel's .cuh, and has one line a kernel: GT_CUDA_KERNEL(GeluForward).
#pragma once

#include "kernels/cuda/cta.cuh"
#include "runtime/cuda/cuda_queue.h"

namespace gigatrain::kernels::cuda {

struct DeviceCta {
  GT_DEVICE int thread() const { return static_cast<int>(threadIdx.x); }
  GT_DEVICE int lane() const { return static_cast<int>(threadIdx.x) & (kWarp - 1); }
  GT_DEVICE int warp() const { return static_cast<int>(threadIdx.x) / kWarp; }
  GT_DEVICE std::int64_t block() const { return blockIdx.x; }
  GT_DEVICE std::int64_t block_y() const { return blockIdx.y; }
  GT_DEVICE void sync() { __syncthreads(); }
  template <class T>
  GT_DEVICE T shfl_xor(T v, int mask) {
    return __shfl_xor_sync(0xffffffffu, v, mask);
  }
  template <class T>
  GT_DEVICE T shfl(T v, int lane) {
    return __shfl_sync(0xffffffffu, v, lane);
  }
};

// A kernel that lives off its registers sets kMinBlocks = 1, lest ptxas spill a few of them for the
// sake of one more block on a multiprocessor. 0: ptxas decides.
template <class Kernel>
constexpr int min_blocks() {
  if constexpr (requires { Kernel::kMinBlocks; })
    return Kernel::kMinBlocks;
  else
    return 0;
}

template <class Kernel>
__global__ void __launch_bounds__(Kernel::kThreads, min_blocks<Kernel>())
    run_kernel(const __grid_constant__ Kernel k) {
  __shared__ typename Kernel::Shared shared;
  DeviceCta cta;
  k(cta, shared);
}

}  // namespace gigatrain::kernels::cuda

namespace gigatrain {

template <class Kernel>
void CudaQueue::launch(const Kernel& kernel, Grid grid) {
  if (grid.x == 0 || grid.y == 0) return;
  kernels::cuda::run_kernel<Kernel>
      <<<dim3(static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y)), Kernel::kThreads, 0,
         static_cast<cudaStream_t>(stream())>>>(kernel);
  check_launch();
}

}  // namespace gigatrain

#define GT_CUDA_KERNEL(Args)                     \
  namespace gigatrain::kernels {                 \
  void run(CudaQueue& queue, const Args& args) { \
    cuda::launch(queue, args);                   \
  }                                              \
  }
