#include "gigatrain/runtime/device.h"

#include "gigatrain/runtime/environment.h"

namespace gigatrain {

namespace {

int thread_count(int asked) {
  if (asked > 0) return asked;
  const int from_environment = Environment::read().num_threads;
  return from_environment > 0 ? from_environment : CpuFeatures::get().cores;
}

}  // namespace

Device::Device(const CpuOptions& options)
    : pool_(thread_count(options.threads)),
      stream_(CpuQueue{.pool = pool_,
                       .scratch = allocator_,
                       .isa = options.isa,
                       .hardware_bf16 = options.hardware_bf16}) {}

}  // namespace gigatrain
