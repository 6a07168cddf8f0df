// Times every op, forward and backward, on the cases that the tests check
// (tests/support/op_cases.h) at the size of GPT-2 124M, beside the machine's measured limits.
//
//   gigatrain_bench_ops [f32|bf16] [filter]

#include <chrono>
#include <cstdio>
#include <string>

#include "gigatrain/tensor/node.h"
#include "gigatrain/train/machine_limit.h"
#include "support/op_cases.h"

using namespace gigatrain;
using namespace gigatrain::test;

namespace {

double ms_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

// Bytes of the distinct tensors that the forward must read and write at least.
double floor_bytes(const Tensors& in, const Tensors& out) {
  double bytes = 0;
  for (const auto* list : {&in, &out})
    for (const auto& t : *list) bytes += static_cast<double>(t.view().bytes());
  return bytes;
}

struct Limits {
  double flops, bytes;
};

void run_case(Device& device, const OpCase& c, DType dtype, const Limits& limits) {
  double forward = 1e30, backward_ms = 1e30, bytes = 0;
  for (int repeat = 0; repeat < 4; ++repeat) {  // the first warms up; the best counts
    const Tensors in = make_inputs(device, c, dtype);
    Tensors out;
    const double f = ms_of([&] { out = c.op(in); });
    bytes = floor_bytes(in, out);
    const Tensor loss = ops::sum(out.back());
    const double b = ms_of([&] { backward(loss); });
    if (repeat == 0) continue;
    forward = std::min(forward, f);
    backward_ms = std::min(backward_ms, b);
  }
  const double limit_ms = 1e3 * std::max(c.flops / limits.flops, bytes / limits.bytes);
  std::printf("%-34s %9.3f ms %9.3f ms %9.2f GFLOP/s %8.2f GB/s %6.0f %% of limit\n",
              c.name.c_str(), forward, backward_ms, c.flops / forward / 1e6, bytes / forward / 1e6,
              100 * limit_ms / forward);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const DType dtype = argc > 1 ? parse_dtype(argv[1]) : DType::f32;
  const std::string filter = argc > 2 ? argv[2] : "";
  Device device;
  const MachineLimit measured = measure_limit(device, dtype, 0.5);
  const Limits limits{measured.gemm_flops, measured.copy_bytes};
  std::printf("%s, %d threads, %s: products %.0f GFLOP/s, copy %.1f GB/s\n",
              CpuFeatures::get().model.c_str(), device.pool().threads(), name(dtype),
              limits.flops / 1e9, limits.bytes / 1e9);
  std::printf("%-34s %12s %12s\n", "op", "forward", "backward");
  for (const auto& c : op_cases(Sizes::model()))
    if (c.name.find(filter) != std::string::npos) run_case(device, c, dtype, limits);
  return 0;
}
