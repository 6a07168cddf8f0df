#include "kernels/cuda/digest.cuh"
#include "kernels/cuda/global_norm.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/reduce.cuh"

GT_CUDA_KERNEL(Sum)
GT_CUDA_KERNEL(SquareSums)
GT_CUDA_KERNEL(NormOfChunks)
GT_CUDA_KERNEL(Digest)
