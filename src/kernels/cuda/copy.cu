#include "kernels/cuda/copy.cuh"
#include "kernels/cuda/launch.cuh"

GT_CUDA_KERNEL(Copy)
GT_CUDA_KERNEL(Fill)
