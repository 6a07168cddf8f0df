// Every op on a real GPU: value and gradients beside the composed definition in f64 on the CPU, the
// same bits when it runs twice, and tensors of more than 2^31 elements.

#include <catch2/catch.hpp>

#include "gpu/gpu_device.h"
#include "support/op_harness.h"

using namespace gigatrain;
using namespace gigatrain::test;

namespace {

constexpr Sizes kMiddle{
    .b = 2, .t = 128, .c = 256, .heads = 4, .kv_heads = 2, .vocab = 1000, .inner = 512};

double output_limit(DType dtype) {
  return dtype == DType::f64 ? 1e-13 : dtype == DType::f32 ? 1e-5 : 1e-2;
}
double gradient_limit(DType dtype) {
  return dtype == DType::f64 ? 1e-12 : dtype == DType::f32 ? 1e-5 : 2e-2;
}

void check_on_gpu(Device& gpu, const OpCase& c, DType dtype, const Evaluation& truth) {
  INFO(c.name << ", " << name(dtype));
  const Evaluation first = evaluate_on(gpu, c, dtype);
  CHECK(relative_error(first.outputs, truth.outputs) < output_limit(dtype));
  for (std::size_t i = 0; i < first.gradients.size(); ++i) {
    INFO("input " << i);
    CHECK(relative_error(first.gradients[i], truth.gradients[i]) < gradient_limit(dtype));
  }
  CHECK((evaluate_on(gpu, c, dtype) == first));  // the same bits
}

void check_all(Device& gpu, const Sizes& sizes) {
  Device cpu;
  for (const auto& c : op_cases(sizes)) {
    const Evaluation truth = truth_of(cpu, c);
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16, DType::f64}) {
      if (dtype == DType::f64 && c.composed) continue;
      try {
        check_on_gpu(gpu, c, dtype, truth);
      } catch (const Error& e) {  // the other cases still run
        FAIL_CHECK(c.name << ", " << name(dtype) << ": " << e.what());
      }
    }
  }
}

}  // namespace

TEST_CASE("gpu: every op at small, odd sizes", "[gpu][ops]") {
  if (Device* gpu = gpu_device()) check_all(*gpu, Sizes::small());
}

TEST_CASE("gpu: every op at a middle size", "[gpu][ops]") {
  if (Device* gpu = gpu_device()) check_all(*gpu, kMiddle);
}

TEST_CASE("gpu: more than 2^31 elements", "[gpu][ops][large]") {
  auto gpu = open_gpu();  // its own, so that all of this memory is given back
  if (!gpu) return;
  if (gpu->facts().memory < std::int64_t{32} << 30) {
    std::printf("gpu test skipped: this one needs 32 GB of GPU memory\n");
    return;
  }
  const NoGrad off;
  constexpr std::int64_t kRows = (1 << 21) + 3, kCols = 1024;  // 2^31 + 3072
  const Tensor x = Tensor::full(*gpu, {kRows, kCols}, 1.5, DType::bf16);
  const auto ends = [](const Tensor& y) {  // the first and the last element
    const std::int64_t n = y.shape()[0], c = y.shape()[1];
    return std::vector<double>{ops::slice(ops::slice(y, 0, 0, 1), 1, 0, 1).item(),
                               ops::slice(ops::slice(y, 0, n - 1, n), 1, c - 1, c).item()};
  };
  const auto all = [](double v) { return std::vector<double>{v, v}; };
  CHECK(ends(x) == all(1.5));
  CHECK(ends(ops::scale(x, -2.0)) == all(-3.0));
  CHECK(ends(ops::add(x, x)) == all(3.0));
  CHECK(ends(ops::gelu(x))[0] == ends(ops::gelu(x))[1]);
  CHECK(ops::sum(ops::cast(ops::slice(x, 1, 1023, 1024), DType::f32)).item() ==
        1.5 * static_cast<double>(kRows));
  const Tensor weight = Tensor::full(*gpu, {kCols}, 1.0), bias = Tensor::full(*gpu, {kCols}, 0.25);
  CHECK(ends(ops::layer_norm(x, weight, bias)) == all(0.25));  // rows are constant
  const Tensor y = ops::dropout(
      x, {.rate = 0.5f, .key = random_key(1, "dropout", "large"), .rows_per_sample = kRows});
  for (const double v : ends(y)) CHECK((v == 0.0 || v == 3.0));
}
