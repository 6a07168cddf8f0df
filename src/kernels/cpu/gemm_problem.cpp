#include "kernels/cpu/gemm_problem.h"

#include <fmt/format.h>

#include "gigatrain/base/error.h"

namespace gigatrain::kernels {

namespace {

// A view's last two dims and its optional batch dim.
struct Matrix {
  std::int64_t batch = 1, rows, cols;
  std::int64_t batch_step = 0, row_step, col_step;
};

[[noreturn]] void broken(const Gemm& g, const char* rule) {
  const auto side = [](const TensorView& v, bool trans) {
    return fmt::format("{} {}{}", name(v.dtype), v.shape.str(), trans ? " transposed" : "");
  };
  throw Error(ErrorCode::invalid_argument,
              fmt::format("gemm: {}; got A {}, B {}, C {}", rule, side(g.a, g.trans_a),
                          side(g.b, g.trans_b), side(g.c, false)),
              "pass A (M, K), B (K, N) and C (M, N), or trans_a / trans_b for a transposed side");
}

Matrix matrix(const Gemm& g, const TensorView& v, bool transposed) {
  const int dims = v.shape.dims();
  if (dims != 2 && dims != 3) broken(g, "matrices have two dims, or three with a leading batch");
  const auto step = [&](int dim) { return v.strides[static_cast<std::size_t>(dim)]; };
  Matrix m{.rows = v.shape[-2],
           .cols = v.shape[-1],
           .row_step = step(dims - 2),
           .col_step = step(dims - 1)};
  if (dims == 3) m.batch = v.shape[0], m.batch_step = step(0);
  if (transposed) std::swap(m.rows, m.cols), std::swap(m.row_step, m.col_step);
  return m;
}

// `i` of the operand's vectors are apart by i_step; a dim of size one may claim any step.
Operand operand(const Gemm& g, const TensorView& v, std::int64_t i_size, std::int64_t i_step,
                std::int64_t k_size, std::int64_t k_step) {
  if (k_size <= 1) k_step = 1;
  if (i_size <= 1 && k_step != 1) i_step = 1;
  if (i_step != 1 && k_step != 1) broken(g, "one of the dims of A and of B must have unit stride");
  return {v.data, i_step, k_step};
}

void check_result(const Gemm& g, const Matrix& c, bool rounds_b) {
  const DType out = g.c.dtype;
  if (g.a.dtype != g.b.dtype && !rounds_b) broken(g, "A and B must have one dtype");
  if ((g.a.dtype == DType::f64) != (out == DType::f64)) broken(g, "f64 must be used throughout");
  if (!is_floating(g.a.dtype) || !is_floating(out))
    broken(g, "only f32, bf16, f16 and f64 are products");
  if (size_of(out) == 2 && size_of(g.a.dtype) == 2 && out != g.a.dtype)
    broken(g, "a 16-bit C has the dtype of A and B, or they are f32");
  if (c.cols > 1 && c.col_step != 1) broken(g, "C's rows must be contiguous");
  if (g.accumulate && (size_of(out) == 2 || g.gelu))
    broken(g, "accumulate needs an f32 or f64 C, and no gelu");
}

void check_epilogue(const Gemm& g, const Matrix& c) {
  if (g.onto_count > 0 && (g.c.dtype != DType::f32 || !g.c.is_contiguous() || c.batch != 1 ||
                           g.accumulate || g.bias || g.gelu))
    broken(g, "a product added onto others is contiguous f32, with nothing else done to it");
  const bool f64_too = g.c.dtype == DType::f64 && g.bias.dtype == DType::f64;
  if (g.bias && (g.bias.numel() != c.cols || !g.bias.is_contiguous() ||
                 (g.bias.dtype != DType::f32 && !f64_too)))
    broken(g, "the bias must be N contiguous f32");
  if (!g.pre) return;
  const Matrix pre = matrix(g, g.pre, false);
  if (!g.gelu || g.pre.dtype != g.c.dtype || pre.rows != c.rows || pre.cols != c.cols ||
      pre.batch != c.batch || (pre.cols > 1 && pre.col_step != 1))
    broken(g, "pre goes with gelu, and has the dtype and shape of C");
}

}  // namespace

GemmProblem check_gemm(const Gemm& g, bool may_round_b) {
  const Matrix a = matrix(g, g.a, g.trans_a), b = matrix(g, g.b, g.trans_b);
  const Matrix c = matrix(g, g.c, false);
  if (a.cols != b.rows || a.rows != c.rows || b.cols != c.cols)
    broken(g, "op(A) (M, K) times op(B) (K, N) gives C (M, N)");
  if (a.batch != c.batch || b.batch != c.batch) broken(g, "A, B and C must have one batch size");
  const bool rounds_b = may_round_b && g.a.dtype == DType::bf16 && g.b.dtype == DType::f32;
  check_result(g, c, rounds_b);
  check_epilogue(g, c);
  GemmProblem p;
  p.batch = c.batch, p.m = c.rows, p.n = c.cols, p.k = a.cols;
  p.in = g.a.dtype, p.out = g.c.dtype, p.round_b = rounds_b;
  p.a = operand(g, g.a, a.rows, a.row_step, a.cols, a.col_step);
  p.b = operand(g, g.b, b.cols, b.col_step, b.rows, b.row_step);
  p.a_batch = a.batch_step, p.b_batch = b.batch_step;
  p.c_batch = c.batch_step, p.c_row = c.row_step;
  if (g.pre) {
    const Matrix pre = matrix(g, g.pre, false);
    p.pre_batch = pre.batch_step, p.pre_row = pre.row_step;
  }
  return p;
}

}  // namespace gigatrain::kernels
