// GELU, its gradient and the bias gradient against f64.
#include "kernels/activation.h"

#include "kernels/same_bits.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

double exact_gelu(double x) {
  return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
}
double exact_gelu_grad(double x) {
  const double h = 1e-5;
  return (exact_gelu(x + h) - exact_gelu(x - h)) / (2 * h);
}

TEMPLATE_TEST_CASE("gelu forward and backward", "[unit][kernels]", float, bf16, double) {
  for (const std::int64_t n : {1, 15, 1000, 40001}) {
    auto x = random_array<TestType>({n}, 1, -6, 6), dy = random_array<TestType>({n}, 2);
    Array<TestType> y({n}), dx({n});
    Device device;
    device.stream().submit(GeluForward{.x = x.view(), .y = y.view()});
    device.stream().submit(GeluBackward{.x = x.view(), .dy = dy.view(), .dx = dx.view()});
    std::vector<double> want_y, want_dx;
    for (std::int64_t i = 0; i < n; ++i) {
      want_y.push_back(exact_gelu(x.at(i)));
      want_dx.push_back(dy.at(i) * exact_gelu_grad(x.at(i)));
    }
    CHECK(relative_error(y, want_y) < kRounding<TestType>);
    CHECK(relative_error(dx, want_dx) < std::max(2 * kRounding<TestType>, 1e-9));
    device.stream().submit(GeluBackward{.x = x.view(), .dy = dy.view(), .dx = dy.view()});
    CHECK((bytes_of(dy) == bytes_of(dx)));
  }
}

TEMPLATE_TEST_CASE("bias gradient sums rows", "[unit][kernels]", float, bf16) {
  for (const std::int64_t rows : {1, 31, 32, 100})
    for (const std::int64_t n : {1, 18, 300}) {
      CAPTURE(rows, n);
      auto dy = random_array<TestType>({rows, n}, 3);
      Array<float> dbias({n}, 7.0f);
      Device device;
      for (const bool accumulate : {false, true})
        device.stream().submit(
            BiasGradient{.dy = dy.view(), .dbias = dbias.view(), .accumulate = accumulate});
      std::vector<double> want(static_cast<std::size_t>(n));
      for (std::int64_t i = 0; i < dy.size(); ++i)
        want[static_cast<std::size_t>(i % n)] += 2 * dy.at(i);
      CHECK(relative_error(dbias, want) < 1e-6);
    }
}

TEMPLATE_TEST_CASE("activations give the same bits everywhere", "[unit][kernels]", float, bf16) {
  check_same_bits([](Stream& stream) {
    auto x = random_array<TestType>({321, 77}, 1, -12, 12);
    auto dy = random_array<TestType>({321, 77}, 2);
    Array<TestType> y(x.shape), dx(x.shape);
    Array<float> dbias({77});
    stream.submit(GeluForward{.x = x.view(), .y = y.view()});
    stream.submit(GeluBackward{.x = x.view(), .dy = dy.view(), .dx = dx.view()});
    stream.submit(BiasGradient{.dy = dy.view(), .dbias = dbias.view()});
    return bytes_of(y, dx, dbias);
  });
}

}  // namespace
}  // namespace gigatrain::kernels
