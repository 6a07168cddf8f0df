#include "gigatrain/tensor/check_gradients.h"

#include <catch2/catch.hpp>

#include "gigatrain/base/error.h"
#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "support/random.h"

using namespace gigatrain;
using Catch::Matchers::Contains;

namespace {

struct WrongSquare : Node {
  WrongSquare() : Node("wrong square") {}
  void backward(Backward& g) override {
    Tensor d = ops::scale(ops::mul(g.dout(), saved(0)), 2.0);
    d.view().as<double>()[3] += 0.5;
    g.give(0, d);
  }
};

Tensor wrong_square(const Tensor& x) {
  Tensor y = ops::mul(x, x).detach();
  if (grad_needed({x})) {
    auto node = std::make_shared<WrongSquare>();
    node->save({x});
    Node::connect(node, {x}, {&y});
  }
  return y;
}

}  // namespace

TEST_CASE("check_gradients: a right backward passes, a wrong one is located",
          "[unit][tensor][check_gradients]") {
  Device device(CpuOptions{.threads = 1});
  const Tensor a = test::random_tensor(device, {2, 3}, "a", DType::f64),
               b = test::random_tensor(device, {3}, "b", DType::f64);
  const auto before = a.to_vector<double>();
  const auto good = check_gradients(
      [](const auto& in) { return ops::sum(ops::exp(ops::mul(in[0], in[1]))); }, {a, b});
  CHECK(good.inputs.size() == 2);
  CHECK(good.worst.error < 1e-9);
  CHECK(a.to_vector<double>() == before);
  const auto bad = check_gradients(
      [](const auto& in) { return ops::sum(ops::mul(wrong_square(in[0]), in[1])); }, {a, b});
  CHECK(bad.worst.input == 0);
  CHECK(bad.worst.index == 3);
  CHECK(bad.worst.error > 1e-2);
  CHECK(bad.worst.got - bad.worst.want == Approx(0.5));
  CHECK(bad.inputs[1].error < 1e-9);
  CHECK_THAT(bad.worst.str(), Contains("input 0") && Contains("element 3"));
  const auto only =
      check_gradients([](const auto& in) { return ops::sum(ops::mul(wrong_square(in[0]), in[1])); },
                      {a, b}, {.inputs = {1}});
  CHECK(only.worst.error < 1e-9);
}

TEST_CASE("check_gradients: what it cannot check is refused",
          "[unit][tensor][check_gradients][errors]") {
  Device device(CpuOptions{.threads = 1});
  const auto sum = [](const std::vector<Tensor>& in) { return ops::sum(in[0]); };
  const Tensor x = Tensor::full(device, {3}, 1.0, DType::f64);
  CHECK_THROWS_WITH(check_gradients(sum, {Tensor::full(device, {3}, 1.0)}),
                    Contains("input 0 must be a contiguous f64"));
  CHECK_THROWS_WITH(check_gradients(sum, {x, x}), Contains("does not depend on input 1"));
  CHECK_THROWS_WITH(check_gradients([](const auto& in) { return in[0]; }, {x}),
                    Contains("must give one f64 value, got f64 (3)"));
}
