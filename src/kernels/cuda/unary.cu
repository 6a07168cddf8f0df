#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/unary.cuh"

GT_EACH_UNARY(GT_CUDA_KERNEL)
GT_EACH_UNARY_BACKWARD(GT_CUDA_KERNEL)
GT_CUDA_KERNEL(Scale)
GT_CUDA_KERNEL(Pow)
