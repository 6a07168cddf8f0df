#include "kernels/cpu/attention_problem.h"

#include <fmt/format.h>

#include "gigatrain/base/error.h"

namespace gigatrain::kernels {

namespace {

[[noreturn]] void broken(const char* rule, const TensorView& a, const char* what) {
  throw Error(ErrorCode::invalid_argument,
              fmt::format("attention: {}; {} is {} {}", rule, what, name(a.dtype), a.shape.str()),
              "pass q, out (B, Tq, H, D) and k, v (B, Tk, Hkv, D), H a multiple of Hkv");
}

Heads heads(const TensorView& v, const TensorView& like, const char* what) {
  if (v.shape.dims() != 4) broken("views must be (B, T, heads, D)", v, what);
  if (v.dtype != like.dtype || (v.dtype != DType::f32 && v.dtype != DType::bf16))
    broken("all views must be f32, or all bf16", v, what);
  if (!(v.shape == like.shape)) broken("a view differs in shape from its partner", v, what);
  if (v.shape[3] > 1 && v.strides[3] != 1) broken("D must have unit stride", v, what);
  return {v.data, v.strides[0], v.strides[1], v.strides[2]};
}

void check_lse(const AttentionProblem& p, const TensorView& lse) {
  if (lse.dtype != DType::f32 || !(lse.shape == Shape{p.b, p.h, p.tq}) || !lse.is_contiguous())
    broken("lse must be (B, H, Tq) contiguous f32", lse, "lse");
}

template <class Args>
AttentionProblem common(const Args& a) {
  AttentionProblem p;
  p.q = heads(a.q, a.q, "q"), p.k = heads(a.k, a.k, "k");
  p.v = heads(a.v, a.k, "v"), p.out = heads(a.out, a.q, "out");
  p.b = a.q.shape[0], p.tq = a.q.shape[1], p.h = a.q.shape[2], p.d = a.q.shape[3];
  p.tk = a.k.shape[1], p.h_kv = a.k.shape[2];
  if (a.k.dtype != a.q.dtype) broken("all views must have one dtype", a.k, "k");
  if (a.k.shape[0] != p.b || a.k.shape[3] != p.d) broken("q and k must share B and D", a.k, "k");
  if (p.h_kv < 1 || p.h % p.h_kv != 0) broken("H must be a multiple of Hkv", a.k, "k");
  p.dtype = a.q.dtype, p.scale = a.scale, p.causal = a.causal;
  return p;
}

}  // namespace

AttentionProblem check_attention(const AttentionForward& a) {
  AttentionProblem p = common(a);
  if (a.lse) check_lse(p, a.lse);
  p.lse = a.lse.as<float>();
  return p;
}

AttentionProblem check_attention(const AttentionBackward& a) {
  AttentionProblem p = common(a);
  check_lse(p, a.lse);
  p.lse = a.lse.as<float>();
  p.dout = heads(a.dout, a.q, "dout"), p.dq = heads(a.dq, a.q, "dq");
  p.dk = heads(a.dk, a.k, "dk"), p.dv = heads(a.dv, a.k, "dv");
  return p;
}

}  // namespace gigatrain::kernels
