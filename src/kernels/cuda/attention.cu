#include "kernels/cuda/attention.cuh"
#include "kernels/cuda/launch.cuh"

GT_CUDA_KERNEL(AttentionForward)
GT_CUDA_KERNEL(AttentionBackward)
