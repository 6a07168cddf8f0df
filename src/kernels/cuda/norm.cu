#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/norm.cuh"

GT_CUDA_KERNEL(LayerNormForward)
GT_CUDA_KERNEL(LayerNormBackward)
