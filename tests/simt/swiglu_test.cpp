// The GPU's SwiGLU on the host SIMT machine, beside the CPU's.
#include "kernels/swiglu_case.h"
#include "simt/compare.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

TEMPLATE_TEST_CASE("simt: swiglu and its gradients", "[simt]", float, bf16) {
  for (const bool packed : {false, true})
    for (const std::int64_t f : {1, 7, 8, 264, 1000}) {
      CAPTURE(packed, f);
      compare_with_cpu(
          [&](Stream& stream) {
            SwigluCase<TestType> k(3, f, packed);
            stream.submit(k.forward());
            stream.submit(k.backward());
            return Outputs{values_of(k.y), values_of(k.gates(k.dx)), values_of(k.ups(k.dx))};
          },
          4 * kRounding<TestType>);
    }
}

// In the place of their inputs, and where packs do not fit.
TEMPLATE_TEST_CASE("simt: swiglu gradients over gate and up", "[simt]", float, bf16) {
  for (const std::int64_t f : {12, 64})
    compare_with_cpu(
        [f](Stream& stream) {
          SwigluCase<TestType> k(5, f, true);
          SwigluBackward args = k.backward();
          args.dgate = args.gate, args.dup = args.up;
          stream.submit(args);
          return Outputs{values_of(k.x)};
        },
        4 * kRounding<TestType>);
}

}  // namespace
}  // namespace gigatrain::kernels
