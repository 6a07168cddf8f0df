#include "gigatrain/runtime/cpu_features.h"

#include <sched.h>

#include <fstream>

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

namespace {

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
  f.avx512_bf16 = f.best == Isa::avx512 && __builtin_cpu_supports("avx512bf16");
#endif
  return f;
}

}  // namespace

const CpuFeatures& CpuFeatures::get() {
  static const CpuFeatures features = detect();
  return features;
}

}  // namespace gigatrain
