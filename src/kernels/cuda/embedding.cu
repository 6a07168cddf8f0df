#include "kernels/cuda/embedding.cuh"
#include "kernels/cuda/embedding_backward.cuh"
#include "kernels/cuda/launch.cuh"

GT_CUDA_KERNEL(EmbeddingForward)
GT_CUDA_KERNEL(EmbeddingBackward)
