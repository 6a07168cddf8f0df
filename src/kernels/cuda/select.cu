#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/select.cuh"

GT_EACH_COMPARISON(GT_CUDA_KERNEL)
GT_CUDA_KERNEL(Where)
