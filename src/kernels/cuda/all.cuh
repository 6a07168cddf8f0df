// Every portable kernel with its geometry, for the devices that run them all: SIMT and dry.
#pragma once

#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/adafactor.cuh"
#include "kernels/cuda/adamw8bit.cuh"
#include "kernels/cuda/attention.cuh"
#include "kernels/cuda/copy.cuh"
#include "kernels/cuda/cross_entropy.cuh"
#include "kernels/cuda/digest.cuh"
#include "kernels/cuda/dropout.cuh"
#include "kernels/cuda/elementwise.cuh"
#include "kernels/cuda/embedding.cuh"
#include "kernels/cuda/embedding_backward.cuh"
#include "kernels/cuda/gemm.cuh"
#include "kernels/cuda/global_norm.cuh"
#include "kernels/cuda/norm.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/update.cuh"
