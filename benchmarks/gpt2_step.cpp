// One training step of GPT-2 124M at T = 1024: tokens a second and the percentage of the machine's
// measured matrix-product rate.
//
//   gigatrain_bench_gpt2_step [f32|bf16] [micro_batch] [steps]

#include <cstdio>
#include <cstdlib>

#include <algorithm>
#include <chrono>
#include <vector>

#include "gigatrain/gigatrain.h"
#include "gigatrain/train/machine_limit.h"

using namespace gigatrain;

int main(int argc, char** argv) {
  const DType dtype = argc > 1 ? parse_dtype(argv[1]) : DType::f32;
  const std::int64_t batch = argc > 2 ? std::atoll(argv[2]) : 1, t = 1024;
  const int steps = argc > 3 ? std::atoi(argv[3]) : 4;
  Device device;
  const auto model = nn::gpt({});
  nn::materialize(*model, device, {.compute = dtype});
  const auto parameters = nn::named_parameters(*model);
  optim::AdamW adamw(parameters);
  std::vector<std::int32_t> ids(static_cast<std::size_t>(batch * t));
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(i * 7919 % 50257);
  const Tensor tokens = Tensor::from<std::int32_t>(device, {batch, t}, ids);
  std::vector<double> seconds, rates;
  for (int step = 0; step < steps; ++step) {
    rates.push_back(measure_gemm(device, dtype, 0.3));  // beside every step: machines are noisy
    const auto start = std::chrono::steady_clock::now();
    nn::BatchContext context{.training = true, .step = static_cast<std::uint32_t>(step)};
    backward(model->loss(tokens, tokens, 1.0 / static_cast<double>(batch * t), context));
    parallel::collect_gradients(parameters);
    const double norm = optim::gradient_norm(parameters);
    adamw.step({.step = step + 1, .lr = 1e-4f, .clip_factor = optim::clip_factor(norm, 1.0f)});
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  seconds.erase(seconds.begin());  // the first step allocates
  std::sort(seconds.begin(), seconds.end());
  std::sort(rates.begin(), rates.end());
  const double median = seconds[seconds.size() / 2], rate = rates[rates.size() / 2];
  const double flops = model->flops_per_token(t) * static_cast<double>(batch * t);
  std::printf(
      "GPT-2 124M, %s, micro-batch %lld x %lld: median step %.2f s, %.0f tokens/s, %.0f GFLOP/s, "
      "%.0f %% of %.0f GFLOP/s; peak memory %.2f GB\n",
      name(dtype), static_cast<long long>(batch), static_cast<long long>(t), median,
      static_cast<double>(batch * t) / median, flops / median / 1e9, 100 * flops / median / rate,
      rate / 1e9, static_cast<double>(device.allocator().stats().total.peak) / 1e9);
  return 0;
}
