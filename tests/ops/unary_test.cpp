// Functions of one tensor at the edges of their domains; the rest is in op_cases.h.

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "gigatrain/tensor/node.h"
#include "support/op_cases.h"

using namespace gigatrain;
using namespace gigatrain::test;
using Catch::Matchers::Contains;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

std::vector<double> values(const Tensor& x) {
  return x.to_vector<double>();
}

std::vector<double> gradient_of(Tensor (*f)(const Tensor&), Tensor x) {
  x.require_grad();
  backward(ops::sum(f(x)));
  return values(x.leaf()->gradient);
}

}  // namespace

TEST_CASE("functions at infinity and at zero", "[unit][ops]") {
  Device device({.threads = 1});
  for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
    INFO(name(dtype));
    const Tensor x = tensor_of(device, {4}, {kInf, -kInf, 0.0, -2.0}, dtype);
    CHECK(values(ops::sigmoid(x))[0] == 1.0);
    CHECK(values(ops::sigmoid(x))[1] == 0.0);
    CHECK(values(ops::silu(x))[0] == kInf);
    CHECK(values(ops::silu(x))[1] == 0.0);
    CHECK(values(ops::relu(x)) == std::vector<double>{kInf, 0, 0, 0});
    CHECK(values(ops::abs(x)) == std::vector<double>{kInf, kInf, 0, 2});
    CHECK(values(ops::neg(x))[3] == 2.0);
    CHECK(std::isnan(values(ops::sqrt(x))[3]));
    CHECK(gradient_of(ops::silu, x)[0] == 1.0);
    CHECK(gradient_of(ops::silu, x)[1] == 0.0);
    CHECK(gradient_of(ops::silu, x)[2] == 0.5);
    CHECK(gradient_of(ops::relu, x) == std::vector<double>{1, 0, 0, 0});
    CHECK(gradient_of(ops::abs, x)[2] == 0.0);
    CHECK(gradient_of(ops::abs, x)[3] == -1.0);
  }
}

TEST_CASE("NaN in, NaN out", "[unit][ops]") {
  Device device({.threads = 1});
  for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
    const Tensor x = tensor_of(device, {1}, {std::nan("")}, dtype);
    for (auto* f : {ops::exp, ops::log, ops::tanh, ops::sqrt, ops::rsqrt, ops::sigmoid, ops::relu,
                    ops::silu, ops::abs, ops::neg})
      CHECK(std::isnan(f(x).item()));
    CHECK(std::isnan(ops::pow(x, 2.5).item()));
    CHECK(std::isnan(ops::pow(x, -3).item()));
  }
}

TEST_CASE("powers of negative numbers, of 0 and of infinity", "[unit][ops]") {
  Device device({.threads = 1});
  for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
    INFO(name(dtype));
    const Tensor x = tensor_of(device, {5}, {-2.0, 0.0, 1.0, kInf, 0.25}, dtype);
    CHECK(std::isnan(ops::pow(ops::neg(x), 0.5).to_vector<double>()[3]));  // of -inf too
    const auto power = [&](double e) { return values(ops::pow(x, e)); };
    CHECK(power(3) == std::vector<double>{-8, 0, 1, kInf, 0.015625});
    CHECK(power(-2) == std::vector<double>{0.25, kInf, 1, 0, 16});
    CHECK(power(0) == std::vector<double>{1, 1, 1, 1, 1});
    CHECK(std::isnan(power(0.5)[0]));
    CHECK(power(0.5)[1] == 0.0);
    CHECK(power(0.5)[3] == kInf);
    CHECK(power(-0.5)[1] == kInf);
    CHECK(power(-0.5)[3] == 0.0);
    CHECK(power(0.5)[4] == Approx(0.5));
    CHECK(power(1e9)[0] == kInf);  // an even integer
    CHECK(power(1e9)[4] == 0.0);
  }
  Tensor x = tensor_of(device, {2}, {0.0, -3.0}, DType::f32);
  x.require_grad();
  backward(ops::sum(ops::add(ops::pow(x, 1), ops::add(ops::pow(x, 2), ops::pow(x, 0)))));
  CHECK(values(x.leaf()->gradient) == std::vector<double>{1, -5});
  CHECK_THROWS_WITH(ops::pow(x, kInf), Contains("[pow]") && Contains("inf"));
}

TEST_CASE("functions of views and of nothing", "[unit][ops]") {
  Device device({.threads = 1});
  const Tensor x = random_tensor(device, {6, 10}, "x");
  const Tensor view = ops::slice(ops::transpose(x, 0, 1), 0, 2, 7);
  CHECK(values(ops::silu(view)) == values(ops::silu(ops::contiguous(view))));
  const Tensor none = Tensor::empty(device, {0, 3});
  CHECK(ops::sigmoid(none).shape() == Shape{0, 3});
  CHECK(values(ops::pow(none, 2)).empty());
  const Tensor ids = random_tokens(device, {3}, 5, "ids");
  CHECK_THROWS_WITH(ops::relu(ids), Contains("[relu]") && Contains("i32"));
  CHECK_THROWS_WITH(ops::silu({}), Contains("undefined"));
}
