#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/pointwise_loss.cuh"

GT_CUDA_KERNEL(PointwiseLoss)
