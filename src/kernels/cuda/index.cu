#include "kernels/cuda/index.cuh"
#include "kernels/cuda/launch.cuh"

GT_CUDA_KERNEL(Gather)
GT_CUDA_KERNEL(ScatterAdd)
GT_CUDA_KERNEL(TopK)
