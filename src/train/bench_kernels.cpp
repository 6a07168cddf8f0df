#include "gigatrain/train/bench_kernels.h"

#include <algorithm>

#include "base/median.h"
#include "gigatrain/train/memory_plan.h"
#include "train/kernel_cases.h"

namespace gigatrain {

namespace {

constexpr int kRounds = 7;
constexpr int kMostInstances = 256;

std::int64_t sequences_of(const KernelBenchOptions& o, bool gpu) {
  return o.sequences > 0 ? o.sequences : gpu ? 8 : 1;
}

bool wanted(const KernelCase& c, const KernelBenchOptions& o) {
  return c.name.find(o.filter) != std::string::npos;
}

// Workspace that the GPU's kernel takes for the call: from a device that is dry.
std::int64_t workspace_bytes(Device& dry, const PreparedKernel& kernel) {
  Allocator& memory = dry.allocator();
  const auto workspace = [&] {
    return memory.stats().by_purpose[static_cast<std::size_t>(Purpose::workspace)];
  };
  memory.reset_peak();
  const std::int64_t before = workspace().now;
  kernel.submit();
  return workspace().peak - before;
}

KernelBytes bytes_of(TensorMaker& dry, const KernelCase& c) {
  const PreparedKernel kernel = c.prepare(dry);
  const KernelCost& cost = kernel.cost;
  KernelBytes bytes{.name = c.name, .shape = c.shape, .cost = cost};
  if (!cost.library)
    bytes.moved =
        static_cast<double>(cost.least() + cost.again + 2 * workspace_bytes(dry.device(), kernel));
  return bytes;
}

// Calls in turn on so many copies of the arguments that no cache holds a call's inputs.
std::vector<PreparedKernel> prepare_instances(TensorMaker& make, const KernelCase& c) {
  constexpr std::int64_t kCaches = 512 << 20;
  std::vector<PreparedKernel> instances{c.prepare(make)};
  const std::int64_t copies = kCaches / std::max<std::int64_t>(instances[0].cost.least(), 1);
  const auto count = static_cast<std::size_t>(std::clamp<std::int64_t>(copies, 1, kMostInstances));
  while (instances.size() < count) instances.push_back(c.prepare(make));
  return instances;
}

class Stopwatch {
 public:
  Stopwatch(Device& device, const std::vector<PreparedKernel>& kernels)
      : device_(device), kernels_(kernels) {}

  // The median over rounds of the time of one call.
  double median_ms() {
    run(static_cast<std::int64_t>(kernels_.size()));  // warms up, and lets libraries choose
    std::int64_t calls = 1;
    const double enough = device_.is_cpu() ? 20.0 : 5.0;  // ms a round
    for (double ms = run(calls); ms < enough && calls < 1 << 16; ms = run(calls))
      calls = std::max(2 * calls, static_cast<std::int64_t>(static_cast<double>(calls) * enough /
                                                            std::max(ms, 0.01)));
    std::vector<double> rounds;
    for (int r = 0; r < kRounds; ++r) rounds.push_back(run(calls) / static_cast<double>(calls));
    return median(rounds);
  }

 private:
  double run(std::int64_t calls) {
    const auto start = device_.mark();
    for (std::int64_t i = 0; i < calls; ++i) kernels_[next_++ % kernels_.size()].submit();
    const auto end = device_.mark();
    end->wait();
    return end->ms_since(*start);
  }

  Device& device_;
  const std::vector<PreparedKernel>& kernels_;
  std::size_t next_ = 0;
};

double median_ms(TensorMaker& make, const KernelCase& c) {
  const std::vector<PreparedKernel> instances = prepare_instances(make, c);
  return Stopwatch(make.device(), instances).median_ms();
}

DeviceFacts some_gpu() {
  return *find_gpu("h100");
}

}  // namespace

std::vector<KernelBytes> kernel_bytes(const KernelBenchOptions& options) {
  const auto dry = PlanTarget::gpu(some_gpu()).open();
  TensorMaker make(*dry, options.dtype);
  std::vector<KernelBytes> all;
  for (const auto& c : kernel_cases(sequences_of(options, true)))
    if (wanted(c, options)) all.push_back(bytes_of(make, c));
  return all;
}

KernelBench bench_kernels(Device& device, const KernelBenchOptions& options,
                          const std::function<void(const KernelTime&)>& done) {
  KernelBench bench{.limit = measure_rates(device, 0.3),
                    .gemm_f32 = measure_gemm(device, DType::f32, 0.3),
                    .gemm_bf16 = measure_gemm(device, DType::bf16, 0.3),
                    .times = {}};
  bench.limit.gemm_flops = options.dtype == DType::bf16 ? bench.gemm_bf16 : bench.gemm_f32;
  const auto dry = PlanTarget::gpu(some_gpu()).open();
  TensorMaker make(device, options.dtype), make_dry(*dry, options.dtype);
  for (const auto& c : kernel_cases(sequences_of(options, !device.is_cpu()))) {
    if (!wanted(c, options)) continue;
    KernelTime time{.call = bytes_of(make_dry, c), .ms = median_ms(make, c)};
    const Floor floor = floor_of(time.call.cost, bench.limit);
    time.bound = floor.bound;
    time.percent_of_limit = 100 * floor.seconds / (time.ms * 1e-3);
    bench.times.push_back(time);
    if (done) done(time);
    device.allocator().trim();  // the next case wants blocks of other sizes
  }
  return bench;
}

}  // namespace gigatrain
