// The f64 product: a reference for tests, a row of C a task, plain multiply and add in ascending k.
#pragma once

#include "kernels/cpu/gemm_problem.h"
#include "kernels/cpu/work.h"

GT_ISA_BEGIN

inline double gelu_f64(double x) {
  return 0.5 * x * (1.0 + __builtin_tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
}

// sum[j] += A[row, k] B[k, j], k outside where B's rows are contiguous.
inline void row_product(const GemmProblem& p, const double* a, const double* b, double* sum) {
  if (p.b.i_step != 1) {
    for (std::int64_t j = 0; j < p.n; ++j)
      for (std::int64_t k = 0; k < p.k; ++k)
        sum[j] += a[k * p.a.k_step] * b[j * p.b.i_step + k * p.b.k_step];
    return;
  }
  for (std::int64_t k = 0; k < p.k; ++k) {
    const double x = a[k * p.a.k_step];
    for (std::int64_t j = 0; j < p.n; ++j) sum[j] += x * b[k * p.b.k_step + j];
  }
}

inline double bias_at(const TensorView& bias, std::int64_t j) {
  if (!bias) return 0.0;
  return bias.dtype == DType::f64 ? bias.as<double>()[j] : double(bias.as<float>()[j]);
}

inline void gemm_f64(CpuQueue& queue, const GemmProblem& p, const Gemm& args) {
  const Scratch scratch(queue, queue.pool.threads() * p.n * 8, "gemm.f64");
  queue.pool.parallel_for(p.batch * p.m, [&](std::int64_t task, int worker) {
    const std::int64_t batch = task / p.m, row = task % p.m;
    double* sum = scratch.as<double>() + worker * p.n;
    for (std::int64_t j = 0; j < p.n; ++j) sum[j] = 0.0;
    row_product(p, static_cast<const double*>(p.a.data) + batch * p.a_batch + row * p.a.i_step,
                static_cast<const double*>(p.b.data) + batch * p.b_batch, sum);
    double* c = args.c.as<double>() + batch * p.c_batch + row * p.c_row;
    double* pre = args.pre.as<double>() + batch * p.pre_batch + row * p.pre_row;
    for (std::int64_t j = 0; j < p.n; ++j) {
      double v = sum[j] + bias_at(args.bias, j);
      if (args.pre) pre[j] = v;
      if (args.gelu) v = gelu_f64(v);
      c[j] = args.accumulate ? c[j] + v : v;
    }
  });
}

GT_ISA_END
