#include "kernels/cuda/dropout.cuh"
#include "kernels/cuda/launch.cuh"

GT_CUDA_KERNEL(Dropout)
