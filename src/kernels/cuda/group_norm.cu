#include "kernels/cuda/group_norm.cuh"
#include "kernels/cuda/launch.cuh"

GT_CUDA_KERNEL(GroupNormForward)
GT_CUDA_KERNEL(GroupNormBackward)
