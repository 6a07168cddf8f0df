// Times conv2d at the first stage of a ResNet (8 images, 64 channels, 56 x 56, 3 x 3, padding 1),
// forward and backward, beside our own matrix product of the same size, in turns, and the same with
// a group for each channel: medians.
//
//   conv [f32|bf16] [rounds]

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "base/median.h"
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

constexpr std::int64_t kN = 8, kC = 64, kSize = 56, kTaps = 9, kPixels = kN * kSize * kSize;

// Seconds of the product, of the forward, and of the backward.
struct Times {
  double product, forward, backward;
};

Times measure(Device& device, DType dtype, int rounds, std::int64_t groups) {
  const ops::Conv2dOptions options{.padding = {1, 1}, .groups = groups};
  Tensor x = random_tensor(device, {kN, kC, kSize, kSize}, "x", dtype),
         w = random_tensor(device, {kC, kC / groups, 3, 3}, "w", dtype),
         b = random_tensor(device, {kC}, "b");
  const Tensor dy = random_tensor(device, {kN, kC, kSize, kSize}, "dy", dtype),
               columns = random_tensor(device, {kC * kTaps, kPixels}, "columns", dtype),
               matrix = random_tensor(device, {kC, kC * kTaps}, "matrix", dtype);
  x.require_grad(), w.require_grad(), b.require_grad();
  std::vector<double> product, forward, back;
  for (int round = 0; round <= rounds; ++round) {
    Tensor y;
    const double p = seconds_of([&] { ops::matmul(matrix, columns); });
    const double f = seconds_of([&] { y = ops::conv2d(x, w, b, options); });
    const double s = seconds_of([&] { backward(y, dy); });
    if (round == 0) continue;  // warms up
    product.push_back(p), forward.push_back(f), back.push_back(s);
  }
  return {median(product), median(forward), median(back)};
}

}  // namespace

int main(int argc, char** argv) {
  const DType dtype = argc > 1 ? parse_dtype(argv[1]) : DType::f32;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 15;
  Device device;
  std::printf("%s, %d threads, %s\n", CpuFeatures::get().model.c_str(), device.pool().threads(),
              name(dtype));
  const auto print = [](const char* what, double flops, double seconds, double rate) {
    std::printf("%-28s %8.2f ms %8.1f GFLOP/s %5.2f of the product's rate\n", what, 1e3 * seconds,
                flops / seconds / 1e9, flops / seconds / rate);
  };
  for (const std::int64_t groups : {std::int64_t{1}, kC}) {
    const Times t = measure(device, dtype, rounds, groups);
    const double product = 2.0 * static_cast<double>(kC * kC * kTaps * kPixels);
    const double flops = product / static_cast<double>(groups), rate = product / t.product;
    if (groups == 1) print("product (64, 576, 25088)", product, t.product, rate);
    print(groups == 1 ? "conv2d forward" : "depthwise forward", flops, t.forward, rate);
    print(groups == 1 ? "conv2d backward" : "depthwise backward", 2 * flops, t.backward, rate);
  }
  return 0;
}
