// The GPU's activation kernels on the host SIMT machine, beside the CPU's.
#include "kernels/activation.h"

#include "simt/compare.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

TEMPLATE_TEST_CASE("simt: gelu and its gradient", "[simt]", float, bf16, double) {
  for (const std::int64_t n : {1, 7, 8, 255, 2048, 5003}) {
    CAPTURE(n);
    auto x = random_array<TestType>({n}, 1), dy = random_array<TestType>({n}, 2);
    Array<TestType> y({n}), dx({n});
    compare_with_cpu(
        [&](Stream& stream) {
          stream.submit(GeluForward{.x = x.view(), .y = y.view()});
          stream.submit(GeluBackward{.x = x.view(), .dy = dy.view(), .dx = dx.view()});
          return Outputs{values_of(y), values_of(dx)};
        },
        4 * kRounding<TestType>);
  }
}

TEMPLATE_TEST_CASE("simt: bias gradient", "[simt]", float, bf16) {
  for (const std::int64_t rows : {1, 8, 129, 300})
    for (const std::int64_t columns : {1, 9, 64, 264})
      for (const bool accumulate : {false, true}) {
        CAPTURE(rows, columns, accumulate);
        auto dy = random_array<TestType>({rows, columns}, 3);
        compare_with_cpu(
            [&](Stream& stream) {
              Array<float> dbias({columns}, 0.5f);
              stream.submit(
                  BiasGradient{.dy = dy.view(), .dbias = dbias.view(), .accumulate = accumulate});
              return Outputs{values_of(dbias)};
            },
            1e-6);
      }
}

}  // namespace
}  // namespace gigatrain::kernels
