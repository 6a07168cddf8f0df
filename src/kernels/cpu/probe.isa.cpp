// What a processor does at best: see kernels/probe.h.
#include "kernels/probe.h"

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/philox16.h"

GT_ISA_BEGIN
namespace {

constexpr std::int64_t kBuffer = 1024;  // floats: a part of the first cache

GT_INLINE std::int32_t add_up(u32x16 lanes) {
  std::uint32_t sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += lanes[i];
  return static_cast<std::int32_t>(sum);
}

// Four streams of reads, and each asked for ahead: one alone does not fill the memory's queue.
std::int32_t read_task(const std::int32_t* x) {
  constexpr std::int64_t kStreams = 4, kPart = kProbeTask / kStreams;
  u32x16 sums[kStreams] = {};
  for (std::int64_t i = 0; i < kPart; i += kLanes)
    for (int s = 0; s < kStreams; ++s) {
      u32x16 v;
      std::memcpy(&v, x + s * kPart + i, sizeof v);
      __builtin_prefetch(x + s * kPart + i + 1024);
      sums[s] += v;
    }
  return add_up((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

float exp_task(float first) {
  float x[kBuffer];
  for (std::int64_t i = 0; i < kBuffer; ++i) x[i] = first - static_cast<float>(i) * 0x1p-8f;
  f32x16 sum{};
  for (std::int64_t n = 0; n < kProbeTask; n += kBuffer) {
    for (std::int64_t i = 0; i < kBuffer; i += kLanes) sum += exp(load(x + i));
    x[0] += 1.0f;
  }
  return reduce_add(sum);
}

std::int32_t random_task(PhiloxKey key, std::int64_t task) {
  u32x16 sum{};
  for (std::int64_t i = 0; i < kProbeTask; i += 64) {
    const auto block = static_cast<std::uint64_t>((task * kProbeTask + i) / 4);
    const Words64 random = philox64(key, block, 0, 0);
    sum += (random.words[0] ^ random.words[1]) ^ (random.words[2] ^ random.words[3]);
  }
  return add_up(sum);
}

}  // namespace

void run(CpuQueue& queue, const ReadProbe& args) {
  const auto* x = args.x.as<std::int32_t>();
  auto* sums = args.sums.as<std::int32_t>();
  queue.pool.parallel_for(args.sums.numel(), [&](std::int64_t task, int) {
    sums[task] = read_task(x + task * kProbeTask);
  });
}

void run(CpuQueue& queue, const ExpProbe& args) {
  auto* sums = args.sums.as<float>();
  queue.pool.parallel_for(args.sums.numel(), [&](std::int64_t task, int) {
    sums[task] = exp_task(static_cast<float>(task % 16));
  });
}

void run(CpuQueue& queue, const RandomProbe& args) {
  auto* sums = args.sums.as<std::int32_t>();
  queue.pool.parallel_for(
      args.sums.numel(), [&](std::int64_t task, int) { sums[task] = random_task(args.key, task); });
}

GT_ISA_END

GT_CPU_KERNEL(ReadProbe)
GT_CPU_KERNEL(ExpProbe)
GT_CPU_KERNEL(RandomProbe)
