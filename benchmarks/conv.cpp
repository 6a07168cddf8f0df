// Times conv2d at the first stage of a ResNet (8 images, 64 channels, 56 x 56, 3 x 3, padding 1),
// forward and backward, beside our own matrix product of the same size, in turns: medians.
//
//   conv [f32|bf16] [rounds]

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "support/random.h"

using namespace gigatrain;
using namespace gigatrain::test;

namespace {

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const DType dtype = argc > 1 ? parse_dtype(argv[1]) : DType::f32;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 15;
  constexpr std::int64_t kN = 8, kC = 64, kSize = 56, kK = 9 * kC, kPixels = kN * kSize * kSize;
  Device device;
  Tensor x = random_tensor(device, {kN, kC, kSize, kSize}, "x", dtype),
         w = random_tensor(device, {kC, kC, 3, 3}, "w", dtype),
         b = random_tensor(device, {kC}, "b");
  const Tensor columns = random_tensor(device, {kK, kPixels}, "columns", dtype);
  const Tensor matrix = ops::reshape(w, {kC, kK});
  x.require_grad(), w.require_grad(), b.require_grad();
  std::vector<double> product, forward, back;
  for (int round = 0; round <= rounds; ++round) {
    const NoGrad off;
    const double p = seconds_of([&] { ops::matmul(matrix, columns); });
    Tensor y;
    const double f = seconds_of([&] { y = ops::conv2d(x, w, b, {.padding = {1, 1}}); });
    if (round == 0) continue;  // warms up
    product.push_back(p), forward.push_back(f);
  }
  const Tensor dy = random_tensor(device, {kN, kC, kSize, kSize}, "dy", dtype);
  for (int round = 0; round <= rounds; ++round) {
    const Tensor y = ops::conv2d(x, w, b, {.padding = {1, 1}});
    const double s = seconds_of([&] { backward(y, dy); });
    if (round > 0) back.push_back(s);
  }
  const double flops = 2.0 * static_cast<double>(kC * kK * kPixels);
  const double rate = flops / median(product);
  const auto print = [&](const char* what, double work, double seconds) {
    std::printf("%-28s %8.2f ms %8.1f GFLOP/s %5.2f of the product's rate\n", what, 1e3 * seconds,
                work / seconds / 1e9, work / seconds / rate);
  };
  std::printf("%s, %d threads, %s\n", CpuFeatures::get().model.c_str(), device.pool().threads(),
              name(dtype));
  print("product (64, 576, 25088)", flops, median(product));
  print("conv2d forward", flops, median(forward));
  print("conv2d backward", 2 * flops, median(back));
  return 0;
}
