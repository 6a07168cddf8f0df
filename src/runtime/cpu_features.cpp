#include "gigatrain/runtime/cpu_features.h"

#include <sched.h>

#include <fstream>

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace gigatrain {

const char* name(Isa isa) {
  switch (isa) {
    case Isa::base:
      return "base";
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
  }
  return "?";
}

const char* name(Bf16Products products) {
  switch (products) {
    case Bf16Products::widened:
      return "widened";
    case Bf16Products::avx512_bf16:
      return "avx512_bf16";
    case Bf16Products::amx:
      return "amx";
  }
  return "?";
}

namespace {

#if defined(__x86_64__) && defined(__linux__)
// Linux gives a process the state of tiles when it asks (once, for all its threads).
bool may_use_amx() {
  constexpr unsigned kBf16 = 1u << 22, kTile = 1u << 24;  // of leaf 7's edx
  constexpr long kRequest = 0x1023, kTileData = 18;       // ARCH_REQ_XCOMP_PERM
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & kBf16) == 0 || (d & kTile) == 0)
    return false;
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}
#endif

std::string read_model() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("model name")) {
      const auto colon = line.find(": ");
      if (colon != std::string::npos) return line.substr(colon + 2);
    }
  return "unknown processor";
}

CpuFeatures detect() {
  CpuFeatures f;
  f.model = read_model();
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) f.cores = CPU_COUNT(&set);
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (avx2) f.best = Isa::avx2;
  if (avx2 && avx512) f.best = Isa::avx512;
  if (f.best == Isa::avx512 && __builtin_cpu_supports("avx512bf16")) {
    f.bf16 = Bf16Products::avx512_bf16;
#if defined(__linux__)
    if (may_use_amx()) f.bf16 = Bf16Products::amx;
#endif
  }
#endif
  return f;
}

}  // namespace

const CpuFeatures& CpuFeatures::get() {
  static const CpuFeatures features = detect();
  return features;
}

}  // namespace gigatrain
