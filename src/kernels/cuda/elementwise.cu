#include "kernels/cuda/elementwise.cuh"
#include "kernels/cuda/launch.cuh"

GT_EACH_BINARY(GT_CUDA_KERNEL)
