#include "gigatrain/train/machine_limit.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "gigatrain/base/philox.h"
#include "gigatrain/tensor/tensor.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"

namespace gigatrain {

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Shortest time of one call, over calls that fill `seconds`; the first call only warms up.
double best_time(Device& device, double seconds, const std::function<void()>& kernel) {
  const auto work = [&] {
    kernel();
    device.synchronize();
  };
  work();
  double best = 1e30;
  const auto begin = std::chrono::steady_clock::now();
  do {
    const auto start = std::chrono::steady_clock::now();
    work();
    best = std::min(best, seconds_since(start));
  } while (seconds_since(begin) < seconds);
  return best;
}

// Random values in (-1, 1), a short sequence of them repeated: a GPU draws more power, and clocks
// lower, on random operands than on constant ones. The size is a multiple of kPattern.
Tensor noise(Device& device, const Shape& shape, DType dtype) {
  constexpr std::int64_t kPattern = 1 << 16;
  std::vector<float> pattern(kPattern);
  const PhiloxKey key = random_key(1, "measure", "");
  for (std::size_t i = 0; i < pattern.size(); ++i)
    pattern[i] = 2.0f * to_uniform(philox_block(key, i, 0, 0)[i % 4]) - 1.0f;
  const Tensor once = Tensor::from<float>(device, {kPattern}, pattern);
  TensorView repeated = once.view();
  repeated.shape = {shape.numel() / kPattern, kPattern};
  repeated.strides = {0, 1};
  const Tensor y = Tensor::empty(device, shape, dtype, {Purpose::workspace, "measure"});
  device.stream().submit(
      kernels::Copy{.x = repeated, .y = TensorView(y.view().data, dtype, repeated.shape)});
  return y;
}

}  // namespace

double measure_gemm(Device& device, DType dtype, double seconds) {
  // A GPU needs a larger product to be busy than a CPU.
  const std::int64_t m = device.is_cpu() ? 1024 : 8192, k = device.is_cpu() ? 768 : 8192,
                     n = device.is_cpu() ? 3072 : 8192;
  const BlockName name{Purpose::workspace, "measure"};
  const Tensor a = noise(device, {m, k}, dtype), b = noise(device, {k, n}, dtype);
  const Tensor c = Tensor::empty(device, {m, n}, dtype, name);
  const double time = best_time(device, seconds, [&] {
    device.stream().submit(kernels::Gemm{.a = a.view(), .b = b.view(), .c = c.view()});
  });
  return 2.0 * static_cast<double>(m * k * n) / time;
}

double measure_copy(Device& device, double seconds) {
  const std::int64_t elements = device.is_cpu() ? 16 << 20 : 256 << 20;
  const BlockName name{Purpose::workspace, "measure"};
  const Tensor a = Tensor::full(device, {elements}, 0.5, DType::f32, name);
  const Tensor b = Tensor::full(device, {elements}, 0.0, DType::f32, name);
  const double time = best_time(device, seconds, [&] {
    device.stream().submit(kernels::Copy{.x = a.view(), .y = b.view()});
  });
  return 2.0 * 4.0 * static_cast<double>(elements) / time;
}

MachineLimit measure_limit(Device& device, DType dtype, double seconds) {
  return {.gemm_flops = measure_gemm(device, dtype, seconds),
          .copy_bytes = measure_copy(device, seconds)};
}

}  // namespace gigatrain
