// What the GPU's libraries take, without the libraries: cuBLASLt its workspace, and cuDNN, which is
// taken to be there, its own for the problems it is asked for.
#include "kernels/cuda/attention_native.h"
#include "kernels/cuda/attention_slices.h"
#include "kernels/cuda/gemm.cuh"
#include "kernels/dry/dry_queue.h"

namespace gigatrain::kernels::cuda {

bool native_product(DryQueue& queue, const Gemm&, const GemmProblem&, const void*) {
  if (queue.has_libraries()) queue.hold(kProductWorkspace, kProductWorkspaceName);
  return true;
}

namespace {

template <class Args>
bool take_workspace(DryQueue& queue, const Args& args, bool backward) {
  const auto slices = attention_slices(check_attention(args), backward);
  if (!slices || !queue.has_libraries()) return false;
  const Storage workspace = queue.scratch(slices->workspace, kAttentionWorkspaceName);
  return true;
}

}  // namespace

bool native_attention(DryQueue& queue, const AttentionForward& args) {
  return take_workspace(queue, args, false);
}
bool native_attention(DryQueue& queue, const AttentionBackward& args) {
  return take_workspace(queue, args, true);
}

}  // namespace gigatrain::kernels::cuda
