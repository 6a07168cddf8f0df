#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/update.cuh"

GT_CUDA_KERNEL(AdamW)
GT_CUDA_KERNEL(Sgd)
GT_CUDA_KERNEL(Lion)
