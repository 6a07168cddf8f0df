#include "kernels/cuda/adafactor.cuh"
#include "kernels/cuda/launch.cuh"

GT_CUDA_KERNEL(Adafactor)
