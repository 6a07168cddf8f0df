#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/rope.cuh"

GT_CUDA_KERNEL(RopeForward)
GT_CUDA_KERNEL(RopeBackward)
