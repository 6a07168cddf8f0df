#include "kernels/cuda/elementwise.cuh"
#include "kernels/cuda/launch.cuh"

GT_CUDA_KERNEL(Add)
GT_CUDA_KERNEL(Sub)
GT_CUDA_KERNEL(Mul)
GT_CUDA_KERNEL(Div)
GT_CUDA_KERNEL(Scale)
GT_CUDA_KERNEL(Exp)
GT_CUDA_KERNEL(Log)
GT_CUDA_KERNEL(Tanh)
GT_CUDA_KERNEL(Rsqrt)
