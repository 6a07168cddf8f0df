// SwiGLU and its gradients against f64, of whole tensors and of the halves of one.
#include "kernels/swiglu.h"

#include "kernels/swiglu_case.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

double sigmoid(double x) {
  return 1.0 / (1.0 + std::exp(-x));
}

TEMPLATE_TEST_CASE("swiglu forward and backward", "[unit][kernels]", float, bf16) {
  for (const bool packed : {false, true})
    for (const std::int64_t f : {1, 16, 37, 1000}) {
      CAPTURE(packed, f);
      SwigluCase<TestType> k(5, f, packed);
      Device device;
      device.stream().submit(k.forward());
      device.stream().submit(k.backward());
      std::vector<double> y, dgate, dup;
      for (std::int64_t i = 0; i < 5 * f; ++i) {
        const double g = k.gate_at(k.x, i), u = k.up_at(k.x, i), d = k.dy.at(i), s = sigmoid(g);
        y.push_back(g * s * u);
        dgate.push_back(d * u * s * (1.0 + g * (1.0 - s)));
        dup.push_back(d * g * s);
      }
      CHECK(relative_error(k.y, y) < kRounding<TestType>);
      CHECK(relative_error(k.gates(k.dx), dgate) < 2 * kRounding<TestType>);
      CHECK(relative_error(k.ups(k.dx), dup) < kRounding<TestType>);
    }
}

TEST_CASE("swiglu of extreme gates", "[unit][kernels]") {
  SwigluCase<float> k(1, 4, false);
  const float gates[] = {-1e30f, -200.0f, 200.0f, 1e30f};
  for (int i = 0; i < 4; ++i) k.x[i] = gates[i], k.x[4 + i] = k.dy[i] = 1.0f;
  Device device;
  device.stream().submit(k.forward());
  device.stream().submit(k.backward());
  CHECK((k.y.values == std::vector<float>{0.0f, 0.0f, 200.0f, 1e30f}));
  CHECK((k.dx.values == std::vector<float>{0.0f, 0.0f, 1.0f, 1.0f, 0.0f, 0.0f, 200.0f, 1e30f}));
}

TEMPLATE_TEST_CASE("swiglu gives the same bits everywhere", "[unit][kernels]", float, bf16) {
  for (const bool packed : {false, true})
    check_same_bits([packed](Stream& stream) {
      SwigluCase<TestType> k(71, 333, packed);
      stream.submit(k.forward());
      stream.submit(k.backward());
      return bytes_of(k.y, k.dx);
    });
}

}  // namespace
}  // namespace gigatrain::kernels
