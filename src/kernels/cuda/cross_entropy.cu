#include "kernels/cuda/cross_entropy.cuh"
#include "kernels/cuda/launch.cuh"

GT_CUDA_KERNEL(CrossEntropy)
