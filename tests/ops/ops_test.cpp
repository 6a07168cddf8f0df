// Every op: value against the composed definition in f64, gradient against central differences.

#include <catch2/catch.hpp>

#include "gigatrain/base/error.h"
#include "gigatrain/tensor/node.h"
#include "support/op_harness.h"

using namespace gigatrain;
using namespace gigatrain::test;

TEST_CASE("every op: value and gradient", "[unit][ops]") {
  Device device({.threads = 2});
  for (const auto& c : op_cases(Sizes::small())) {
    INFO(c.name);
    Tensors in64 = make_inputs(device, c, DType::f64);
    const Evaluation truth = evaluate(c, true, in64);
    const Evaluation f32 = evaluate(c, false, make_inputs(device, c, DType::f32));
    const Evaluation bf = evaluate(c, false, make_inputs(device, c, DType::bf16));
    const Evaluation half = evaluate(c, false, make_inputs(device, c, DType::f16));
    CHECK(relative_error(f32.outputs, truth.outputs) < 1e-6);
    CHECK(relative_error(bf.outputs, truth.outputs) < 2e-2);
    CHECK(relative_error(half.outputs, truth.outputs) < 2.5e-3);
    for (std::size_t i = 0; i < c.inputs.size(); ++i) {
      INFO("input " << i);
      const auto numeric = central_differences(c, in64, i);
      CHECK(relative_error(truth.gradients[i], numeric) < 1e-7);
      CHECK(relative_error(f32.gradients[i], numeric) < 3e-6);
      CHECK(relative_error(bf.gradients[i], numeric) < 3e-2);
      CHECK(relative_error(half.gradients[i], numeric) < 4e-3);
    }
  }
}

TEST_CASE("a gradient that arrives twice is added once each", "[unit][ops]") {
  Device device({.threads = 1});
  Tensor x = random_tensor(device, {3, 4}, "x", DType::f64);
  x.require_grad();
  const Tensor y = ops::add(ops::mul(x, x), ops::scale(x, 3.0));  // dy/dx = 2x + 3
  backward(ops::sum(y));
  const auto g = x.leaf()->gradient.to_vector<double>(), v = x.to_vector<double>();
  for (std::size_t i = 0; i < g.size(); ++i) CHECK(g[i] == Approx(2 * v[i] + 3));
  backward(ops::sum(x.requires_grad() ? ops::scale(x, 1.0) : x));
  CHECK(x.leaf()->gradient.to_vector<double>()[0] == Approx(2 * v[0] + 4));  // leaves accumulate
}

TEST_CASE("ops round an f32 weight beside bf16 as a cast does", "[unit][ops][bits]") {
  Device device({.threads = 2});
  const Tensor x = random_tensor(device, {3, 5, 20}, "x", DType::bf16),
               w = random_tensor(device, {20, 20}, "w");
  const std::vector<std::int32_t> ids{1, 0, 19, 7, 7, 2, 3, 4, 5, 19, 0, 1, 11, 12, 13};
  const Tensor tokens = Tensor::from<std::int32_t>(device, {3, 5}, ids);
  using Op = std::function<Tensor(const Tensor& x, const Tensor& w)>;
  const auto linear = [](ops::WeightLayout layout, bool gelu) -> Op {
    return [=](const Tensor& a, const Tensor& b) {
      return ops::linear(a, b, {}, {.layout = layout, .gelu = gelu});
    };
  };
  const Op loss = [&](const Tensor& a, const Tensor& b) {
    return ops::linear_cross_entropy(a, b, ops::reshape(tokens, {15}), 0.5);
  };
  const Op rows = [&](const Tensor& a, const Tensor& b) {
    return ops::add(a, ops::embedding(tokens, b, b, 2, {}, DType::bf16));
  };
  const auto values = [&](const Op& op, DType dtype) {
    Tensor a = ops::scale(x, 1.0), b = ops::cast(w, dtype).detach();
    a.require_grad(), b.require_grad();
    const Tensor y = op(a, b);
    backward(ops::sum(y));
    return std::vector{y.to_vector<double>(), a.leaf()->gradient.to_vector<double>(),
                       b.leaf()->gradient.to_vector<double>()};
  };
  for (const Op& op : {linear(ops::WeightLayout::in_out, false),
                       linear(ops::WeightLayout::out_in, true), loss, rows})
    CHECK(values(op, DType::f32) == values(op, DType::bf16));
}

TEST_CASE("ops refuse what does not fit, and print both sides", "[unit][ops][errors]") {
  using Catch::Matchers::Contains;
  Device device({.threads = 1});
  const Tensor a = random_tensor(device, {2, 3}, "a"), b = random_tensor(device, {4, 3}, "b");
  CHECK_THROWS_WITH(ops::add(a, b), Contains("(2, 3)") && Contains("(4, 3)"));
  CHECK_THROWS_WITH(ops::matmul(a, b), Contains("(2, 3)") && Contains("(4, 3)"));
  CHECK_THROWS_WITH(ops::linear(a, random_tensor(device, {5, 7}, "w")), Contains("(5, 7)"));
  CHECK_THROWS_WITH(ops::reshape(a, {5}), Contains("6 elements"));
  CHECK_THROWS_WITH(ops::slice(a, 1, 2, 9), Contains("[2, 9)"));
  CHECK_THROWS_WITH(ops::slice(a, 7, 0, 1), Contains("dim must be in [-2, 2)"));
  CHECK_THROWS_WITH(ops::add(a, ops::cast(a, DType::bf16)), Contains("f32") && Contains("bf16"));
  CHECK_THROWS_WITH(ops::linear(ops::cast(a, DType::f16), b), Contains("f32 (4, 3) beside f16"));
  CHECK_THROWS_WITH(ops::attention_packed(random_tensor(device, {1, 2, 13}, "qkv"), 2, 2),
                    Contains("(1, 2, 13)"));
  const std::vector<std::int32_t> ids{0, 11};
  const Tensor tokens = Tensor::from<std::int32_t>(device, {1, 2}, ids);
  try {
    ops::embedding(tokens, random_tensor(device, {11, 3}, "table"));
    FAIL("a token out of range was accepted");
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::data);
    CHECK_THAT(e.what(), Contains("token id 11") && Contains("[0, 11)"));
  }
  CHECK_THROWS_AS(backward(a), Error);
  Tensor x = random_tensor(device, {2}, "x");
  x.require_grad();
  CHECK_THROWS_WITH(backward(ops::scale(x, 2.0)), Contains("needs a scalar"));
  const Tensor loss = ops::sum(ops::mul(x, x));
  backward(loss);
  CHECK_THROWS_WITH(backward(loss), Contains("earlier backward()"));
}
