// Streaming attention on the GPU: kernels/attention.h. These kernels serve wherever cuDNN does not
// (attention_native.h), and are what its results are compared with.
#pragma once

#include "kernels/cuda/attention_backward.cuh"
#include "kernels/cuda/attention_forward.cuh"
