#include "gigatrain/train/machine_limit.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "gigatrain/tensor/tensor.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"

namespace gigatrain {

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Shortest time of one call, over calls that fill `seconds`; the first call only warms up.
double best_time(double seconds, const std::function<void()>& work) {
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

}  // namespace

double measure_gemm(Device& device, DType dtype, double seconds) {
  constexpr std::int64_t kM = 1024, kK = 768, kN = 3072;
  const BlockName name{Purpose::workspace, "measure"};
  const Tensor a = Tensor::full(device, {kM, kK}, 0.5, dtype, name);
  const Tensor b = Tensor::full(device, {kK, kN}, 0.5, dtype, name);
  const Tensor c = Tensor::empty(device, {kM, kN}, dtype, name);
  const double time = best_time(seconds, [&] {
    device.stream().submit(kernels::Gemm{.a = a.view(), .b = b.view(), .c = c.view()});
  });
  return 2.0 * kM * kK * kN / time;
}

double measure_copy(Device& device, double seconds) {
  constexpr std::int64_t kElements = 16 << 20;
  const BlockName name{Purpose::workspace, "measure"};
  const Tensor a = Tensor::full(device, {kElements}, 0.5, DType::f32, name);
  const Tensor b = Tensor::full(device, {kElements}, 0.0, DType::f32, name);
  const double time = best_time(
      seconds, [&] { device.stream().submit(kernels::Copy{.x = a.view(), .y = b.view()}); });
  return 2.0 * 4.0 * kElements / time;
}

}  // namespace gigatrain
