#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/swiglu.cuh"

GT_CUDA_KERNEL(SwigluForward)
GT_CUDA_KERNEL(SwigluBackward)
