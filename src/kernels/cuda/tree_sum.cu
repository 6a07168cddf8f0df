#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/tree_sum.cuh"

GT_CUDA_KERNEL(TreeSum)
