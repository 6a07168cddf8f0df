// An op of one's own on the tape: right gradients, and an error for every wrong one.

#include "gigatrain/tensor/custom.h"

#include <catch2/catch.hpp>

#include "gigatrain/base/error.h"
#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "support/random.h"

using namespace gigatrain;
using Catch::Matchers::Contains;

namespace {

Tensor square(const Tensor& x, CustomBackward backward = {}) {
  Tensor y;
  {
    const NoGrad off;
    y = ops::mul(x, x);
  }
  if (!backward)
    backward = [](const CustomGradients& g) {
      return std::vector{ops::scale(ops::mul(g.saved[0], g.dout[0]), 2.0)};
    };
  return custom_op("square", {x}, {y}, {x}, std::move(backward)).front();
}

Tensor leaf(Device& device) {
  Tensor x = Tensor::from<float>(device, {2}, std::vector<float>{3, -1});
  return x.require_grad();
}

}  // namespace

TEST_CASE("a custom op has the gradient that its backward gives", "[unit][custom]") {
  Device device({.threads = 1});
  Tensor x = leaf(device);
  backward(ops::sum(square(square(x))));
  CHECK(x.leaf()->gradient.to_vector<float>() == std::vector<float>{108, -4});
  CHECK_FALSE(square(x.detach()).requires_grad());
}

TEST_CASE("a custom op of several inputs and outputs", "[unit][custom]") {
  Device device({.threads = 1});
  Tensor a = leaf(device), b = leaf(device);
  std::vector<bool> wanted;
  const auto out = custom_op("both", {a, b.detach(), {}},
                             {ops::scale(a, 2.0).detach(), ops::scale(a, 3.0).detach()}, {},
                             [&](const CustomGradients& g) -> std::vector<Tensor> {
                               wanted = g.wanted;
                               CHECK_FALSE(g.dout[0]);
                               return {ops::scale(g.dout[1], 3.0), {}, {}};
                             });
  backward(ops::sum(out[1]));
  CHECK(wanted == std::vector<bool>{true, false, false});
  CHECK(a.leaf()->gradient.to_vector<float>() == std::vector<float>{3, 3});
}

TEST_CASE("wrong gradients of a custom op are named, and nothing is collected", "[unit][custom]") {
  Device device({.threads = 1}), other({.threads = 1});
  using Gradients = std::vector<Tensor>;
  const auto error = [&](Gradients returned) {
    Tensor x = leaf(device);
    const Tensor y = ops::sum(square(x, [&](const CustomGradients&) { return returned; }));
    try {
      backward(y);
    } catch (const Error& e) {
      CHECK(e.code() == ErrorCode::invalid_argument);
      CHECK_FALSE(x.leaf()->filled);
      return std::string(e.what());
    }
    return std::string("no error");
  };
  CHECK_THAT(error({}), Contains("'square' must return 1 gradients") && Contains("got 0"));
  CHECK_THAT(error({{}}), Contains("gradient 0 of 'square'") && Contains("(2)"));
  CHECK_THAT(error({Tensor::full(device, {3}, 1.0)}), Contains("(2)") && Contains("(3)"));
  CHECK_THAT(error({Tensor::full(device, {2}, 1.0, DType::f64)}), Contains("f64"));
  CHECK_THAT(error({Tensor::full(other, {2}, 1.0)}), Contains("another"));
  CHECK(error({Tensor::full(device, {2}, 1.0)}) == "no error");
}

TEST_CASE("a custom backward that throws leaves a tape that works", "[unit][custom]") {
  Device device({.threads = 1});
  Tensor x = leaf(device);
  const CustomBackward fails = [](const CustomGradients&) -> std::vector<Tensor> {
    throw std::runtime_error("mine");
  };
  CHECK_THROWS_WITH(backward(ops::sum(square(x, fails))), "mine");
  backward(ops::sum(square(x)));
  CHECK(x.leaf()->gradient.to_vector<float>() == std::vector<float>{6, -2});
}

TEST_CASE("a custom op that nobody runs back is freed", "[unit][custom]") {
  Device device({.threads = 1});
  {
    Tensor x = leaf(device);
    const Tensor y = square(square(x));
  }
  CHECK(device.allocator().stats().total.now == 0);
}

TEST_CASE("borrowed memory is given back with the last reference", "[unit][custom]") {
  Device device({.threads = 1});
  std::vector<float> values{1, 2, 3, 4};
  int released = 0;
  {
    Tensor window;
    {
      const Tensor t = Tensor::wrap(device, Storage::borrow(values.data(), 16, [&] { ++released; }),
                                    TensorView(values.data(), DType::f32, {2, 2}));
      CHECK(device.allocator().stats().total.now == 0);
      window = ops::slice(t, 0, 1, 2);
    }
    CHECK(released == 0);
    window.assign(Tensor::full(device, {1, 2}, 9.0, DType::f64));
  }
  CHECK(released == 1);
  CHECK(values == std::vector<float>{1, 2, 9, 9});
}

TEST_CASE("values move between devices", "[unit][custom]") {
  Device a({.threads = 1}), b({.threads = 1});
  const Tensor x = test::random_tensor(a, {3, 4}, "x");
  const Tensor y = ops::transpose(x, 0, 1).to(b);
  CHECK(&y.device() == &b);
  CHECK(y.to_vector<float>() == ops::transpose(x, 0, 1).to_vector<float>());
  CHECK(x.to(a).same_storage(x));
  CHECK_THROWS_WITH(x.assign(y), Contains("(3, 4)") && Contains("(4, 3)"));
}
