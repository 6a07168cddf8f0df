// Attention by the device's own library (cuDNN), where there is one and it serves the problem. Each
// function returns whether the work was submitted; if not, the caller runs the portable kernel.
#pragma once

#include <string>

#include "kernels/attention.h"

namespace gigatrain {
class CudaQueue;
class DryQueue;
class SimtQueue;
}  // namespace gigatrain

namespace gigatrain::kernels::cuda {

// cuDNN, for bf16 and f16 (cudnn_attention.cpp).
bool native_attention(CudaQueue& queue, const AttentionForward& args);
bool native_attention(CudaQueue& queue, const AttentionBackward& args);
// "cuDNN 9.19.0", or why it is not used; for reports.
std::string attention_engine(CudaQueue& queue);

// Takes the workspace that cuDNN would (dry/native.cpp).
bool native_attention(DryQueue& queue, const AttentionForward& args);
bool native_attention(DryQueue& queue, const AttentionBackward& args);

// Never: it runs the portable kernels (simt/gemm.cpp).
bool native_attention(SimtQueue& queue, const AttentionForward& args);
bool native_attention(SimtQueue& queue, const AttentionBackward& args);

}  // namespace gigatrain::kernels::cuda
