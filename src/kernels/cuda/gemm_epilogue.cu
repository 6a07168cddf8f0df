#include "kernels/cuda/gemm.cuh"
#include "kernels/cuda/launch.cuh"

GT_CUDA_KERNEL(Gemm)
