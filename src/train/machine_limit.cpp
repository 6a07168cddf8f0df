#include "gigatrain/train/machine_limit.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "gigatrain/base/philox.h"
#include "gigatrain/tensor/tensor.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"
#include "kernels/probe.h"
#include "kernels/streamed.h"
#include "train/together.h"

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

// Copies, fills and reads of memory that no cache holds. A CPU's kernels stream what is large, so
// pieces that are not make them use ordinary stores.
struct MemoryProbe {
  Device& device;
  double seconds;
  std::int64_t elements = device.is_cpu() ? 64 << 20 : 256 << 20;
  Tensor a = Tensor::full(device, {elements}, 0.5, DType::f32, {Purpose::workspace, "measure"});
  Tensor b = Tensor::full(device, {elements}, 0.0, DType::f32, {Purpose::workspace, "measure"});

  MemoryProbe(Device& on, double for_seconds) : device(on), seconds(for_seconds) {}

  static TensorView part(const Tensor& t, std::int64_t begin, std::int64_t n) {
    return TensorView(t.view().as<float>() + begin, DType::f32, {n});
  }
  template <class Submit>
  double bytes_per_s(std::int64_t piece, double bytes_each, const Submit& submit) const {
    const double time = best_time(device, seconds, [&] {
      for (std::int64_t i = 0; i < elements; i += piece) submit(i);
    });
    return bytes_each * static_cast<double>(elements) / time;
  }
  double copy(std::int64_t piece) const {
    return bytes_per_s(piece, 2 * 4, [&](std::int64_t i) {
      device.stream().submit(kernels::Copy{.x = part(a, i, piece), .y = part(b, i, piece)});
    });
  }
  double fill(std::int64_t piece) const {
    return bytes_per_s(piece, 4, [&](std::int64_t i) {
      device.stream().submit(kernels::Fill{.y = part(b, i, piece), .value = 1.0});
    });
  }
  double update() const {
    return bytes_per_s(elements, 2 * 4, [&](std::int64_t) {
      device.stream().submit(kernels::Scale{.x = a.view(), .y = a.view(), .factor = -1.0});
    });
  }
  double read() const {
    const Tensor sums = Tensor::empty(device, {elements / kernels::kProbeTask}, DType::i32);
    const TensorView x(a.view().data, DType::i32, a.shape());
    return bytes_per_s(elements, 4, [&](std::int64_t) {
      run(device.stream().cpu(), kernels::ReadProbe{.x = x, .sums = sums.view()});
    });
  }
};

// Of exponentials or random words, in tasks for every thread.
template <class Probe>
double probe_rate(Device& device, DType dtype, double seconds) {
  const std::int64_t tasks = 16 * device.pool().threads();
  const Tensor sums = Tensor::empty(device, {tasks}, dtype);
  const double time =
      best_time(device, seconds, [&] { run(device.stream().cpu(), Probe{.sums = sums.view()}); });
  return static_cast<double>(tasks * kernels::kProbeTask) / time;
}

struct Rate {
  double per_s;
  const char* name;
};

// Of bytes that are read and as many that are written, and of bytes that are written alone.
Rate copy_rate(const KernelCost& cost, const MachineLimit& limit) {
  if (cost.stores == KernelCost::Stores::streamed && limit.copy_streamed_bytes > 0)
    return {limit.copy_streamed_bytes, "copy, streamed"};
  if (cost.stores == KernelCost::Stores::in_place && limit.update_bytes > 0)
    return {limit.update_bytes, "update"};
  return {limit.copy_bytes, "copy"};
}
Rate write_rate(const KernelCost& cost, const MachineLimit& limit) {
  if (cost.stores == KernelCost::Stores::streamed && limit.write_streamed_bytes > 0)
    return {limit.write_streamed_bytes, "write, streamed"};
  return {limit.write_bytes > 0 ? limit.write_bytes : limit.copy_bytes, "write"};
}

Floor memory_floor(const KernelCost& cost, const MachineLimit& limit) {
  if (limit.copy_bytes <= 0) return {};
  const auto read = static_cast<double>(cost.read), written = static_cast<double>(cost.written);
  const double both = std::min(read, written);
  const Rate copying = copy_rate(cost, limit), writing = write_rate(cost, limit);
  const Rate reading{limit.read_bytes > 0 ? limit.read_bytes : limit.copy_bytes, "read"};
  Floor floor;
  double longest = 0;
  for (const auto& [bytes, rate] :
       {std::pair{2 * both, copying}, {read - both, reading}, {written - both, writing}}) {
    const double seconds = bytes / rate.per_s;
    floor.seconds += seconds;
    if (seconds > longest) longest = seconds, floor.bound = rate.name;
  }
  return floor;
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

namespace {

// How many of the measured one there are.
double devices_of(Communicator& ranks, Device& device) {
  if (device.is_cpu()) {
    const double threads = device.facts().processors;
    return std::min<double>(ranks.size(), CpuFeatures::get().cores / threads);
  }
  const auto all = all_values<std::int64_t>(ranks, {device.facts().ordinal});
  return static_cast<double>(std::set<std::int64_t>(all.begin(), all.end()).size());
}

}  // namespace

double measure_gemm_of_ranks(Communicator& ranks, Device& device, DType dtype) {
  const double one =
      ranks.all_reduce(ranks.rank() == 0 ? measure_gemm(device, dtype) : 0.0, Reduce::max);
  return one * devices_of(ranks, device);
}

MachineLimit measure_rates(Device& device, double seconds) {
  const MemoryProbe memory(device, seconds);
  if (!device.is_cpu()) return {.copy_bytes = memory.copy(memory.elements)};
  const std::int64_t piece = kernels::kStreamedBytes / 4 / 2;  // elements of f32, and not streamed
  return {.copy_bytes = memory.copy(piece),
          .copy_streamed_bytes = memory.copy(memory.elements),
          .update_bytes = memory.update(),
          .read_bytes = memory.read(),
          .write_bytes = memory.fill(piece),
          .write_streamed_bytes = memory.fill(memory.elements),
          .exps = probe_rate<kernels::ExpProbe>(device, DType::f32, seconds),
          .random_words = probe_rate<kernels::RandomProbe>(device, DType::i32, seconds)};
}

MachineLimit measure_limit(Device& device, DType dtype, double seconds) {
  MachineLimit limit = measure_rates(device, seconds);
  limit.gemm_flops = measure_gemm(device, dtype, seconds);
  return limit;
}

MachineLimit mean_of(const MachineLimit& a, const MachineLimit& b) {
  MachineLimit m;
  for (const auto rate :
       {&MachineLimit::gemm_flops, &MachineLimit::copy_bytes, &MachineLimit::copy_streamed_bytes,
        &MachineLimit::update_bytes, &MachineLimit::read_bytes, &MachineLimit::write_bytes,
        &MachineLimit::write_streamed_bytes, &MachineLimit::exps, &MachineLimit::random_words})
    m.*rate = (a.*rate + b.*rate) / 2;
  return m;
}

Floor floor_of(const KernelCost& cost, const MachineLimit& limit) {
  Floor floor = memory_floor(cost, limit);
  const auto consider = [&](double amount, double rate, const char* bound) {
    if (rate > 0 && amount / rate > floor.seconds) floor = {amount / rate, bound};
  };
  consider(cost.exps, limit.exps, "exp");
  consider(cost.random, limit.random_words, "random");
  consider(cost.flops, limit.gemm_flops, "products");
  return floor;
}

}  // namespace gigatrain
