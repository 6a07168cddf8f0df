// Matrix products on a GPU (cuBLASLt) beside f64 on the CPU: shapes that divide nothing, every
// layout, strided and misaligned operands, batches, and each epilogue.

#include "kernels/gemm.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "gpu/gpu_device.h"
#include "support/random.h"

using namespace gigatrain;
using namespace gigatrain::test;
using kernels::Gemm;

namespace {

struct Problem {
  std::int64_t m, n, k;
  std::int64_t batch = 0;
  DType in = DType::f32, out = DType::f32;
  bool trans_a = false, trans_b = false, accumulate = false, bias = false, gelu = false;
  std::int64_t pad = 0;  // elements between rows, and before the first
};

// (batch, rows, cols) with `pad` more elements a row, of which the view leaves the first out.
struct Matrix {
  Tensor storage;
  TensorView view;
};

Matrix matrix(Device& device, const Problem& p, std::int64_t rows, std::int64_t cols, DType dtype,
              const char* what) {
  const std::int64_t batch = std::max<std::int64_t>(p.batch, 1), wide = cols + p.pad;
  Matrix m{.storage = random_tensor(device, {batch * rows * wide + p.pad}, what, dtype),
           .view = {}};
  const Shape shape = p.batch ? Shape{batch, rows, cols} : Shape{rows, cols};
  m.view =
      TensorView(static_cast<char*>(m.storage.view().data) + p.pad * size_of(dtype), dtype, shape);
  if (p.batch) m.view.strides[0] = rows * wide;
  m.view.strides[p.batch ? 1 : 0] = wide;
  return m;
}

std::vector<double> values_of(const Matrix& m) {
  return m.storage.alias(m.view).to_vector<double>();
}

// {C, pre-activations, everything in C's memory} on this device.
struct Result {
  std::vector<double> c, pre, memory;
  bool operator==(const Result&) const = default;
};

Result run(Device& device, const Problem& p) {
  const Matrix a =
      p.trans_a ? matrix(device, p, p.k, p.m, p.in, "a") : matrix(device, p, p.m, p.k, p.in, "a");
  const Matrix b =
      p.trans_b ? matrix(device, p, p.n, p.k, p.in, "b") : matrix(device, p, p.k, p.n, p.in, "b");
  const Matrix c = matrix(device, p, p.m, p.n, p.out, "c"),
               pre = matrix(device, p, p.m, p.n, p.out, "pre");
  const Tensor bias =
      random_tensor(device, {p.n}, "bias", p.out == DType::f64 ? DType::f64 : DType::f32);
  device.stream().submit(Gemm{.a = a.view,
                              .b = b.view,
                              .c = c.view,
                              .trans_a = p.trans_a,
                              .trans_b = p.trans_b,
                              .accumulate = p.accumulate,
                              .bias = p.bias ? bias.view() : TensorView{},
                              .pre = p.gelu ? pre.view : TensorView{},
                              .gelu = p.gelu});
  return {values_of(c), p.gelu ? values_of(pre) : std::vector<double>{},
          c.storage.to_vector<double>()};
}

double gelu(double x) {
  return 0.5 * x * (1.0 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
}

// The same in f64 on the CPU, from the operands as p.in holds them.
Result reference(Device& cpu, const Problem& p) {
  Problem exact = p;
  exact.in = exact.out = DType::f64;
  exact.accumulate = exact.bias = exact.gelu = false;
  // Operands of the narrow dtype, widened.
  const auto widened = [&](std::int64_t rows, std::int64_t cols, const char* what) {
    const std::int64_t batch = std::max<std::int64_t>(p.batch, 1);
    const Shape shape = p.batch ? Shape{batch, rows, cols} : Shape{rows, cols};
    return Tensor::from<double>(cpu, shape, values_of(matrix(cpu, p, rows, cols, p.in, what)));
  };
  const Tensor a = p.trans_a ? widened(p.k, p.m, "a") : widened(p.m, p.k, "a");
  const Tensor b = p.trans_b ? widened(p.n, p.k, "b") : widened(p.k, p.n, "b");
  const Matrix before = matrix(cpu, p, p.m, p.n, p.out, "c");
  const Tensor c = Tensor::from<double>(cpu, before.view.shape, values_of(before));
  const auto old = c.to_vector<double>(), bias = random_values(p.n, "bias");
  cpu.stream().submit(Gemm{
      .a = a.view(), .b = b.view(), .c = c.view(), .trans_a = p.trans_a, .trans_b = p.trans_b});
  Result r{.c = c.to_vector<double>(), .pre = {}, .memory = {}};
  for (std::size_t i = 0; i < r.c.size(); ++i) {
    if (p.accumulate) r.c[i] += old[i];
    if (p.bias) r.c[i] += bias[i % static_cast<std::size_t>(p.n)];
    if (!p.gelu) continue;
    r.pre.push_back(r.c[i]);
    r.c[i] = gelu(r.c[i]);
  }
  return r;
}

double limit(const Problem& p, bool tf32) {
  if (p.in == DType::f64) return 1e-13;
  if (p.out == DType::bf16) return 1e-2;
  if (p.out == DType::f16) return 1e-3;
  if (tf32 && p.in == DType::f32) return 2e-3;
  return 1e-5;  // bf16 operands are exact here: their products are summed in f32
}

void check(Device& gpu, Device& cpu, const Problem& p, bool tf32 = false) {
  CAPTURE(p.m, p.n, p.k, p.batch, name(p.in), name(p.out), p.trans_a, p.trans_b, p.accumulate,
          p.bias, p.gelu, p.pad, tf32);
  const Result got = run(gpu, p), want = reference(cpu, p);
  CHECK(relative_error(got.c, want.c) < limit(p, tf32));
  if (p.gelu) CHECK(relative_error(got.pre, want.pre) < limit(p, tf32));
  CHECK((run(gpu, p) == got));  // the same bits
  if (p.pad == 0) return;
  // Between the rows of C nothing changed.
  const auto before = matrix(cpu, p, p.m, p.n, p.out, "c").storage.to_vector<double>();
  const auto start = static_cast<std::size_t>(p.pad), wide = static_cast<std::size_t>(p.n + p.pad);
  std::size_t changed = 0;
  for (std::size_t i = 0; i < before.size(); ++i)
    if (i < start || (i - start) % wide >= static_cast<std::size_t>(p.n))
      changed += got.memory[i] != before[i];
  CHECK(changed == 0);
}

struct Types {
  DType in, out;
};
constexpr Types kTypes[] = {{DType::f32, DType::f32},
                            {DType::bf16, DType::bf16},
                            {DType::bf16, DType::f32},
                            {DType::f64, DType::f64}};
constexpr Problem kSizes[] = {{1, 1, 1},       {1, 33, 7},     {13, 1, 129},
                              {129, 65, 13},   {64, 64, 64},   {100, 257, 33},
                              {256, 512, 768}, {5, 1000, 256}, {128, 8, 4096}};

}  // namespace

TEST_CASE("gpu: products of every size, layout and dtype", "[gpu][gemm]") {
  Device* gpu = gpu_device();
  if (!gpu) return;
  Device cpu;
  for (Problem p : kSizes)
    for (const Types& t : kTypes)
      for (const int layout : {0, 1, 2, 3}) {
        p.in = t.in, p.out = t.out, p.trans_a = layout & 1, p.trans_b = layout & 2;
        check(*gpu, cpu, p);
      }
}

TEST_CASE("gpu: bias, GELU, its input, and accumulation", "[gpu][gemm]") {
  Device* gpu = gpu_device();
  if (!gpu) return;
  Device cpu;
  for (Problem p : kSizes)
    for (const Types& t : kTypes)
      for (const bool trans_b : {false, true}) {
        p.in = t.in, p.out = t.out, p.trans_b = trans_b;
        p.bias = true, p.gelu = false, p.accumulate = false;
        check(*gpu, cpu, p);
        p.gelu = true;
        check(*gpu, cpu, p);
        p.bias = false;
        check(*gpu, cpu, p);
        p.gelu = false, p.accumulate = true;
        if (t.out != DType::bf16) check(*gpu, cpu, p);
      }
}

TEST_CASE("gpu: batches, rows that are strided, pointers that are not aligned", "[gpu][gemm]") {
  Device* gpu = gpu_device();
  if (!gpu) return;
  Device cpu;
  for (Problem p : {Problem{17, 33, 20}, Problem{64, 128, 32}})
    for (const Types& t : kTypes)
      for (const std::int64_t batch : {0, 3})
        for (const std::int64_t pad : {0, 1, 8})
          for (const int layout : {0, 1, 2}) {
            p.in = t.in, p.out = t.out, p.batch = batch, p.pad = pad;
            p.trans_a = layout == 1, p.trans_b = layout == 2;
            check(*gpu, cpu, p);
          }
}

TEST_CASE("gpu: an empty sum is zero, or what was there", "[gpu][gemm]") {
  Device* gpu = gpu_device();
  if (!gpu) return;
  Device cpu;
  for (const bool accumulate : {false, true})
    for (const Types& t : {kTypes[0], kTypes[2]})
      check(*gpu, cpu,
            {.m = 9, .n = 12, .k = 0, .in = t.in, .out = t.out, .accumulate = accumulate});
}

TEST_CASE("gpu: f16 products, into f16 and f32", "[gpu][gemm]") {
  Device* gpu = gpu_device();
  if (!gpu) return;
  Device cpu;
  for (Problem p : kSizes)
    for (const DType out : {DType::f16, DType::f32})
      for (const int layout : {0, 1, 2, 3}) {
        p.in = DType::f16, p.out = out, p.trans_a = layout & 1, p.trans_b = layout & 2;
        check(*gpu, cpu, p);
      }
}

TEST_CASE("gpu: f32 products on tensor cores when tf32 is asked for", "[gpu][gemm]") {
  Device* gpu = gpu_device({.tf32 = true});
  if (!gpu) return;
  Device cpu;
  for (Problem p : kSizes) {
    check(*gpu, cpu, p, true);
    p.trans_b = true, p.bias = true, p.gelu = true;
    check(*gpu, cpu, p, true);
  }
}

TEST_CASE("gpu: algorithms chosen by timing are kept, and give the same bits again",
          "[gpu][gemm]") {
  auto measured = open_gpu({.measure = true});
  if (!measured) return;
  Device cpu;
  const Problem p{.m = 256, .n = 768, .k = 512, .in = DType::bf16, .out = DType::bf16};
  check(*measured, cpu, p);
  const Result first = run(*measured, p);
  const auto chosen = measured->backend()->algorithms();
  auto again = open_gpu({.measure = true});
  REQUIRE(again);
  again->backend()->set_algorithms(chosen);
  CHECK((run(*again, p) == first));
  CHECK(again->backend()->algorithms() == chosen);
}
