#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/launch.cuh"

GT_CUDA_KERNEL(GeluForward)
GT_CUDA_KERNEL(GeluBackward)
GT_CUDA_KERNEL(BiasGradient)
