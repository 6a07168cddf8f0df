// Maxima and picked elements: values, ties, errors; gradients of plain cases are in op_cases.h.

#include <catch2/catch.hpp>
#include <cmath>

#include "gigatrain/base/error.h"
#include "gigatrain/tensor/node.h"
#include "support/op_cases.h"

using namespace gigatrain;
using namespace gigatrain::test;
using Catch::Matchers::Contains;

namespace {

using Ints = std::vector<std::int32_t>;
using Floats = std::vector<float>;

Tensor ids_of(Device& device, const Shape& shape, const Ints& ids) {
  return Tensor::from<std::int32_t>(device, shape, ids);
}
Tensor floats_of(Device& device, const Shape& shape, const std::vector<double>& v) {
  return tensor_of(device, shape, v, DType::f32);
}

}  // namespace

TEST_CASE("max: shapes, ties and NaN", "[unit][ops]") {
  Device device({.threads = 1});
  Tensor x = floats_of(device, {2, 3}, {1, 5, 5, -2, -7, -2});
  x.require_grad();
  CHECK(ops::max(x).shape() == Shape{});
  CHECK(ops::max(x).item() == 5.0);
  CHECK(ops::max(x, {0}).shape() == Shape{1, 3});
  CHECK(ops::max(x, {0}).to_vector<float>() == Floats{1, 5, 5});
  CHECK(ops::max(ops::transpose(x, 0, 1), {0}).to_vector<float>() == Floats{5, -2});
  const Tensor rows = ops::max(x, {-1});
  CHECK(rows.to_vector<float>() == Floats{5, -2});
  backward(ops::sum(ops::scale(rows, 4.0)));
  CHECK(x.leaf()->gradient.to_vector<float>() == Floats{0, 2, 2, 2, 0, 2});
  CHECK(std::isnan(ops::max(floats_of(device, {3}, {1, std::nan(""), 2})).item()));
  CHECK(ops::max(Tensor::empty(device, {0, 3}), {1}).shape() == Shape{0, 1});
  CHECK_THROWS_WITH(ops::max(Tensor::empty(device, {2, 0})), Contains("(2, 0)"));
  CHECK_THROWS_WITH(ops::max(x, {2}), Contains("dim must be in [-2, 2)"));
}

TEST_CASE("top_k and argmax: the first of equal elements comes first", "[unit][ops]") {
  Device device({.threads = 1});
  Tensor x = floats_of(device, {2, 4}, {3, 7, 7, 1, 0, -1, 0, 0});
  x.require_grad();
  const auto top = ops::top_k(x, 3);
  CHECK(top.values.to_vector<float>() == Floats{7, 7, 3, 0, 0, 0});
  CHECK(top.indices.to_vector<std::int32_t>() == Ints{1, 2, 0, 0, 2, 3});
  CHECK(ops::argmax(x).to_vector<std::int32_t>() == Ints{1, 0});
  CHECK(ops::argmax(x).shape() == Shape{2});
  const Tensor w = floats_of(device, {2, 3}, {1, 2, 3, 4, 5, 6});
  backward(ops::sum(ops::mul(top.values, w)));
  CHECK(x.leaf()->gradient.to_vector<float>() == Floats{3, 1, 2, 0, 4, 0, 5, 6});
  CHECK(ops::top_k(x, 0).values.shape() == Shape{2, 0});
  CHECK(ops::argmax(floats_of(device, {3}, {1, std::nan(""), 9})).item() == 1.0);
  CHECK_THROWS_WITH(ops::top_k(x, 5), Contains("k must be in [0, 4]") && Contains("got 5"));
  CHECK_THROWS_WITH(ops::argmax(Tensor::empty(device, {2, 0})), Contains("(2, 0)"));
}

TEST_CASE("gather and take: views, and indices that repeat", "[unit][ops]") {
  Device device({.threads = 1});
  Tensor x = floats_of(device, {3, 2}, {1, 2, 3, 4, 5, 6});
  x.require_grad();
  const Tensor index = ids_of(device, {2, 4}, {2, 2, 0, 1, 0, 0, 0, 1});
  const Tensor turned = ops::gather(ops::transpose(x, 0, 1), 1, index);
  CHECK(turned.to_vector<float>() == Floats{5, 5, 1, 3, 2, 2, 2, 4});
  backward(ops::sum(turned));
  CHECK(x.leaf()->gradient.to_vector<float>() == Floats{1, 3, 1, 1, 2, 0});
  x.leaf()->filled = false;
  backward(ops::sum(ops::gather(x, 0, ops::transpose(index, 0, 1))));
  backward(ops::sum(ops::take(x, ids_of(device, {2, 1}, {1, 1}))));  // leaves accumulate
  CHECK(x.leaf()->gradient.to_vector<float>() == Floats{1, 3, 3, 3, 2, 0});
  CHECK(ops::take(x, ids_of(device, {2, 1}, {2, 0})).shape() == Shape{2, 1, 2});
  CHECK(ops::take(x, ids_of(device, {}, {1})).to_vector<float>() == Floats{3, 4});
  CHECK(ops::take(ops::reshape(x, {6}), ids_of(device, {2}, {5, 0})).to_vector<float>() ==
        Floats{6, 1});
  CHECK(ops::take(x, ids_of(device, {0}, {})).shape() == Shape{0, 2});
}

TEST_CASE("gather and take refuse bad indices", "[unit][ops][errors]") {
  Device device({.threads = 1});
  const Tensor x = random_tensor(device, {3, 2}, "x");
  CHECK_THROWS_WITH(ops::gather(x, 0, ids_of(device, {1, 3}, {0, 1, 0})),
                    Contains("(3, 2)") && Contains("(1, 3)"));
  CHECK_THROWS_WITH(ops::gather(x, 0, x), Contains("index must be i32, got f32"));
  for (const std::int32_t bad : {3, -1}) {
    try {
      ops::take(x, ids_of(device, {2}, {0, bad}));
      FAIL("an index out of range was accepted");
    } catch (const Error& e) {
      CHECK(e.code() == ErrorCode::data);
      CHECK_THAT(e.what(), Contains("[take] index " + std::to_string(bad)) && Contains("[0, 3)"));
    }
  }
  CHECK_THROWS_WITH(ops::gather(x, 1, ids_of(device, {3, 1}, {0, 2, 0})), Contains("[0, 2)"));
}

TEST_CASE("concat and permute", "[unit][ops]") {
  Device device({.threads = 1});
  const Tensor a = floats_of(device, {2, 1}, {1, 2}), b = floats_of(device, {2, 2}, {3, 4, 5, 6});
  CHECK(ops::concat({a, b}, -1).to_vector<float>() == Floats{1, 3, 4, 2, 5, 6});
  CHECK(ops::concat({b, ops::transpose(b, 0, 1)}, 0).to_vector<float>() ==
        Floats{3, 4, 5, 6, 3, 5, 4, 6});
  const Tensor ids = ids_of(device, {2}, {7, 8});
  CHECK(ops::concat({ids, ids}, 0).to_vector<std::int32_t>() == Ints{7, 8, 7, 8});
  Tensor x = a.detach();  // only one of the tensors wants a gradient, and it comes twice
  x.require_grad();
  backward(ops::sum(ops::concat({b, x, x}, 1)));
  CHECK(x.leaf()->gradient.to_vector<float>() == Floats{2, 2});
  CHECK_FALSE(ops::concat({a, b}, 1).requires_grad());

  const Tensor deep = random_tensor(device, {2, 3, 4}, "deep");
  CHECK(ops::permute(deep, {0, 2, 1}).to_vector<float>() ==
        ops::transpose(deep, 1, 2).to_vector<float>());
  CHECK(ops::permute(deep, {-1, 0, 1}).shape() == Shape{4, 2, 3});
  CHECK_THROWS_WITH(ops::permute(deep, {0, 1}), Contains("3 dims") && Contains("got 2"));
  CHECK_THROWS_WITH(ops::permute(deep, {0, 1, -2}), Contains("dim 1 is named twice"));
  CHECK_THROWS_WITH(ops::concat({}, 0), Contains("at least one"));
  CHECK_THROWS_WITH(ops::concat({a, b}, 0), Contains("(2, 1)") && Contains("(2, 2)"));
  CHECK_THROWS_WITH(ops::concat({a, ids}, 0), Contains("f32") && Contains("i32"));
}

TEST_CASE("softmax: f64, rows of any width, and log of the rest", "[unit][ops]") {
  Device device({.threads = 2});
  for (const std::int64_t width : {1, 5, 1000}) {
    const Tensor x = ops::scale(random_tensor(device, {7, width}, "x", DType::f64), 30.0);
    const Tensor p = ops::softmax(x), l = ops::log_softmax(x);
    for (const double total : ops::sum(p, {-1}).to_vector<double>()) CHECK(total == Approx(1.0));
    CHECK(relative_error(ops::exp(l).to_vector<double>(), p.to_vector<double>()) < 1e-14);
    const Tensor x32 = ops::cast(x, DType::f32);
    CHECK(relative_error(ops::softmax(x32).to_vector<double>(), p.to_vector<double>()) < 3e-6);
    if (width > 1)
      CHECK(relative_error(ops::log_softmax(x32).to_vector<double>(), l.to_vector<double>()) <
            1e-6);
  }
  const Tensor x = random_tensor(device, {4, 6}, "x");
  CHECK(ops::softmax(ops::transpose(x, 0, 1)).to_vector<float>() ==
        ops::softmax(ops::contiguous(ops::transpose(x, 0, 1))).to_vector<float>());
  CHECK_THROWS_WITH(ops::softmax(random_tokens(device, {3}, 5, "ids")), Contains("i32"));
}
