#include "kernels/cuda/adamw8bit.cuh"
#include "kernels/cuda/launch.cuh"

GT_CUDA_KERNEL(AdamW8bit)
