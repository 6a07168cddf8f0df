// A kernel that faults ends the GPU's context, and with it the process's use of the GPU: so this
// test is hidden, and scripts/gpu_check.sh runs it in a process of its own.
#include <catch2/catch.hpp>

#include "gigatrain/tensor/tensor.h"
#include "gpu/gpu_device.h"
#include "kernels/elementwise.h"

namespace gigatrain::test {

TEST_CASE("gpu: a kernel that faults is named", "[.fault]") {
  Device* gpu = gpu_device();
  if (!gpu) return;
  const Tensor y = Tensor::empty(*gpu, {1024});
  const TensorView nowhere(reinterpret_cast<void*>(std::uintptr_t{1} << 44), DType::f32, {1024});
  const auto run = [&] {
    gpu->stream().submit(kernels::Copy{.x = nowhere, .y = y.view()});
    gpu->synchronize();
  };
  try {
    run();
    FAIL("reading memory that is not there went unnoticed");
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::device);
    CHECK_THAT(e.message(), Catch::Matchers::Contains("copy") &&
                                Catch::Matchers::Contains("illegal memory access"));
    CHECK_FALSE(e.next().empty());
  }
}

}  // namespace gigatrain::test
