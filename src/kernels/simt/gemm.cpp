// The host SIMT machine has no library of matrix products: the CPU's plain product stands in, and
// the portable epilogue follows it. Attention runs the portable kernels.
#include "kernels/cuda/gemm.cuh"
#include "kernels/cuda/attention_native.h"
#include "kernels/simt/simt_queue.h"

namespace gigatrain::kernels::cuda {

bool native_product(SimtQueue& queue, const Gemm& g, const GemmProblem&, const void*) {
  const Gemm plain{.a = g.a,
                   .b = g.b,
                   .c = g.c,
                   .trans_a = g.trans_a,
                   .trans_b = g.trans_b,
                   .accumulate = g.accumulate};
  queue.enqueue([&queue, plain] { run(queue.cpu(), plain); });
  return false;
}

bool native_attention(SimtQueue&, const AttentionForward&) {
  return false;
}
bool native_attention(SimtQueue&, const AttentionBackward&) {
  return false;
}

}  // namespace gigatrain::kernels::cuda
