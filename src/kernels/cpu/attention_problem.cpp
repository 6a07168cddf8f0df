#include "kernels/cpu/attention_problem.h"

#include <fmt/format.h>

#include <string>

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
  if (v.dtype != like.dtype || !is_floating(v.dtype) || v.dtype == DType::f64)
    broken("all views must be f32, or all bf16, or all f16", v, what);
  if (!(v.shape == like.shape)) broken("a view differs in shape from its partner", v, what);
  if (v.shape[3] > 1 && v.strides[3] != 1) broken("D must have unit stride", v, what);
  return {v.data, v.strides[0], v.strides[1], v.strides[2]};
}

void check_lse(const AttentionProblem& p, const TensorView& lse) {
  const Shape shape = p.offsets ? Shape{p.tq, p.h} : Shape{p.b, p.h, p.tq};
  if (lse.dtype != DType::f32 || !(lse.shape == shape) || !lse.is_contiguous())
    broken(p.offsets ? "lse of sequences by offsets must be (Tq, H) contiguous f32"
                     : "lse must be (B, H, Tq) contiguous f32",
           lse, "lse");
}

[[noreturn]] void broken_offsets(const std::string& fact) {
  throw Error(
      ErrorCode::invalid_argument, fmt::format("attention: {}", fact),
      "offsets are row numbers that ascend from 0 to Tq, one more than sequences; with them "
      "B is 1 and Tq is Tk");
}

void check_offsets(const AttentionProblem& p) {
  if (p.b != 1 || p.tq != p.tk)
    broken_offsets(fmt::format("sequences by offsets need B 1 and Tq equal to Tk, got B {}, {}, {}",
                               p.b, p.tq, p.tk));
  if (p.sequences < 0) broken_offsets(fmt::format("{} sequences", p.sequences));
  if (p.offsets[0] != 0) broken_offsets(fmt::format("the first offset is {}", p.offsets[0]));
  for (std::int64_t i = 0; i < p.sequences; ++i)
    if (p.offsets[i + 1] < p.offsets[i])
      broken_offsets(
          fmt::format("offset {} is {}, after {}", i + 1, p.offsets[i + 1], p.offsets[i]));
  if (p.offsets[p.sequences] != p.tq)
    broken_offsets(fmt::format("the last offset is {}, of {} rows", p.offsets[p.sequences], p.tq));
}

void take_mask(AttentionProblem& p, const TensorView& mask) {
  if (!mask) return;
  if (mask.dtype != DType::u8 && mask.dtype != DType::f32 && mask.dtype != DType::bf16)
    broken("a mask must be u8, f32 or bf16", mask, "the mask");
  if (!(mask.shape == Shape{p.b, p.h, p.tq, p.tk}))
    broken("a mask must be (B, H, Tq, Tk)", mask, "the mask");
  p.mask = mask.data, p.mask_dtype = mask.dtype;
  p.mask_b = mask.strides[0], p.mask_h = mask.strides[1];
  p.mask_q = mask.strides[2], p.mask_k = mask.strides[3];
}

void take_segments(AttentionProblem& p, const TensorView& segments) {
  if (!segments) return;
  if (segments.dtype != DType::i32 || !(segments.shape == Shape{p.b, p.tk}) || p.tq != p.tk ||
      !segments.is_contiguous())
    broken("segments must be (B, T) contiguous i32, and Tq be Tk", segments, "segments");
  p.segments = segments.as<const std::int32_t>();
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
  p.lse_h_step = p.tq;
  if (a.offsets) {
    p.offsets = a.offsets, p.sequences = a.sequences;
    p.lse_h_step = 1, p.lse_t_step = p.h;
    check_offsets(p);
  } else if (a.sequences != 0) {
    broken_offsets(fmt::format("{} sequences without offsets", a.sequences));
  }
  take_mask(p, a.mask), take_segments(p, a.segments);
  if (p.offsets && p.masked()) broken_offsets("sequences by offsets take no mask and no segments");
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

AttentionProblem sequence_of(const AttentionProblem& p, std::int64_t i) {
  if (!p.offsets) return p;
  const std::int64_t first = p.offsets[i];
  AttentionProblem one = p;
  one.offsets = nullptr, one.sequences = 1;
  one.tq = one.tk = p.offsets[i + 1] - first;
  for (Heads* x : {&one.q, &one.k, &one.v, &one.out, &one.dout, &one.dq, &one.dk, &one.dv})
    if (x->data) x->data = static_cast<char*>(x->data) + first * x->t_step * size_of(p.dtype);
  if (one.lse) one.lse += first * p.lse_t_step;
  return one;
}

}  // namespace gigatrain::kernels
