#include "kernels/cuda/conv.cuh"
#include "kernels/cuda/launch.cuh"

GT_CUDA_KERNEL(Im2col)
GT_CUDA_KERNEL(Col2im)
GT_CUDA_KERNEL(ChannelSum)
