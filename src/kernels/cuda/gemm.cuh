// C = op(A) op(B) with its epilogue on the GPU: kernels/gemm.h. The product is the library's
// (cuBLASLt), as much of the epilogue with it as it offers; what is left, gemm_epilogue.cuh does.
#pragma once

#include "kernels/cuda/gemm_epilogue.cuh"
#include "kernels/cuda/tree_sum.cuh"
#include "kernels/gemm.h"

namespace gigatrain {
class CudaQueue;
class DryQueue;
class SimtQueue;
}  // namespace gigatrain

namespace gigatrain::kernels::cuda {

// Held from the first product on. NVIDIA advises 32 MiB for Hopper and newer.
inline constexpr std::int64_t kProductWorkspace = 32 << 20;
inline constexpr const char* kProductWorkspaceName = "cublaslt workspace";

// The device's product, of a problem with K > 0, and A and C of kinds that go together (not f32
// and 16-bit). `bias` is in C's dtype. True: C is done. False: C = [C +] op(A) op(B), and bias, pre
// and gelu are left to do.
bool native_product(CudaQueue& queue, const Gemm& g, const GemmProblem& p, const void* bias);
bool native_product(DryQueue& queue, const Gemm& g, const GemmProblem& p, const void* bias);
bool native_product(SimtQueue& queue, const Gemm& g, const GemmProblem& p, const void* bias);

// f32 A and B, 16-bit C: libraries have no such product, so it is made in f32 and rounded once.
template <class Queue>
void launch_rounded(Queue& queue, const Gemm& g, const GemmProblem& p) {
  const Storage sums = queue.scratch(p.batch * p.m * p.n * 4, "gemm.f32");
  Gemm plain{.a = g.a, .b = g.b, .c = {}, .trans_a = g.trans_a, .trans_b = g.trans_b};
  plain.c = TensorView(sums.data(), DType::f32, g.c.shape);
  native_product(queue, plain, check_gemm(plain), nullptr);
  const Rows<const float> source{plain.c.template as<float>(), p.m * p.n, p.n};
  if (p.out == DType::f16) return launch_epilogue_as<float, f16, float>(queue, g, p, source);
  launch_epilogue_as<float, bf16, float>(queue, g, p, source);
}

template <class Queue>
void launch(Queue& queue, const Gemm& g);

// Libraries add to one C only, and may do so in parts.
template <class Queue>
void launch_onto(Queue& queue, const Gemm& g, const GemmProblem& p) {
  const Storage made = queue.scratch(p.m * p.n * 4, "gemm.onto");
  Gemm plain{.a = g.a, .b = g.b, .c = {}, .trans_a = g.trans_a, .trans_b = g.trans_b};
  plain.c = TensorView(made.data(), DType::f32, g.c.shape);
  launch(queue, plain);
  TreeSum sum{.y = g.c.template as<float>(), .numel = p.m * p.n, .then_count = g.onto_count};
  sum.x[0] = plain.c.template as<float>();
  std::copy_n(g.onto, g.onto_count, sum.then);
  launch(queue, sum);
}

template <class Queue>
void launch(Queue& queue, const Gemm& g) {
  const GemmProblem p = check_gemm(g);
  if (p.batch == 0 || p.m == 0 || p.n == 0) return;
  if (g.onto_count > 0) return launch_onto(queue, g, p);
  if (p.k == 0) return launch_epilogue(queue, g, p, !g.accumulate);
  const bool narrow = size_of(p.out) == 2;
  if (p.in == DType::f32 && narrow) return launch_rounded(queue, g, p);
  Storage rounded;
  const void* bias = g.bias.data;
  if (g.bias && narrow) {
    rounded = queue.scratch(p.n * 2, "gemm.bias");
    round_bias(queue, g.bias, p.out, rounded.data());
    bias = rounded.data();
  }
  if (native_product(queue, g, p, bias)) return;
  if (g.bias || g.gelu) launch_epilogue(queue, g, p, false);
}

}  // namespace gigatrain::kernels::cuda
