#include "kernels/cuda/adamw.cuh"
#include "kernels/cuda/launch.cuh"

GT_CUDA_KERNEL(AdamW)
