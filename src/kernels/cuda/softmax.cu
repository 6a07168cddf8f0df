#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/softmax.cuh"

GT_CUDA_KERNEL(SoftmaxForward)
GT_CUDA_KERNEL(SoftmaxBackward)
