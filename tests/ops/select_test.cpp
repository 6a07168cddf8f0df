// Comparisons, masks and one-hot rows; gradients are in op_cases.h.

#include <catch2/catch.hpp>
#include <cmath>

#include "gigatrain/tensor/node.h"
#include "support/op_cases.h"

using namespace gigatrain;
using namespace gigatrain::test;
using Catch::Matchers::Contains;

namespace {

using Ints = std::vector<std::int32_t>;

Tensor ids_of(Device& device, const Shape& shape, const Ints& ids) {
  return Tensor::from<std::int32_t>(device, shape, ids);
}

}  // namespace

TEST_CASE("comparisons broadcast and are false for NaN", "[unit][ops]") {
  Device device({.threads = 1});
  for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
    const Tensor column = tensor_of(device, {3, 1}, {1, 2, std::nan("")}, dtype);
    const Tensor row = tensor_of(device, {2}, {1, 2}, dtype);
    CHECK(ops::equal(column, row).to_vector<std::int32_t>() == Ints{1, 0, 0, 1, 0, 0});
    CHECK(ops::less(column, row).to_vector<std::int32_t>() == Ints{0, 1, 0, 0, 0, 0});
    CHECK(ops::greater(column, row).to_vector<std::int32_t>() == Ints{0, 0, 1, 0, 0, 0});
    CHECK(ops::less(column, row).dtype() == DType::u8);
  }
  const Tensor ids = ids_of(device, {4}, {5, 2147483647, -3, 2});
  CHECK(ops::equal(ids, ids_of(device, {}, {2147483647})).to_vector<std::int32_t>() ==
        Ints{0, 1, 0, 0});
  CHECK_THROWS_WITH(ops::equal(ids, random_tensor(device, {4}, "x")),
                    Contains("i32") && Contains("f32"));
  CHECK_THROWS_WITH(ops::less(ids, ids_of(device, {3}, {1, 2, 3})),
                    Contains("(4)") && Contains("(3)"));
}

TEST_CASE("equal elements share the gradient of their maximum", "[unit][ops]") {
  Device device({.threads = 1});
  Tensor a = tensor_of(device, {3}, {1, 2, 3}, DType::f32),
         b = tensor_of(device, {3}, {2, 2, 2}, DType::f32);
  for (auto* f : {ops::maximum, ops::minimum}) {
    a.require_grad(), b.require_grad();
    backward(ops::sum(f(a, b)));
    const bool larger = f == ops::maximum;
    CHECK(a.leaf()->gradient.to_vector<float>() ==
          (larger ? std::vector<float>{0, 0.5, 1} : std::vector<float>{1, 0.5, 0}));
    CHECK(b.leaf()->gradient.to_vector<float>() ==
          (larger ? std::vector<float>{1, 0.5, 0} : std::vector<float>{0, 0.5, 1}));
  }
  const Tensor nan = tensor_of(device, {}, {std::nan("")}, DType::f32);
  for (const double v : ops::maximum(a, nan).to_vector<double>()) CHECK(std::isnan(v));
  for (const double v : ops::minimum(nan, a).to_vector<double>()) CHECK(std::isnan(v));
}

TEST_CASE("where does not let the other side through", "[unit][ops]") {
  Device device({.threads = 1});
  const std::vector<std::uint8_t> bits{1, 0, 255};
  const Tensor mask = Tensor::from<std::uint8_t>(device, {3}, bits);
  Tensor a = tensor_of(device, {3}, {1, std::nan(""), 3}, DType::f32);
  a.require_grad();
  const Tensor y = ops::where(mask, a, tensor_of(device, {}, {-1}, DType::f32));
  CHECK(y.to_vector<float>() == std::vector<float>{1, -1, 3});
  backward(ops::sum(y));
  CHECK(a.leaf()->gradient.to_vector<float>() == std::vector<float>{1, 0, 1});
  CHECK_THROWS_WITH(ops::where(a, a, a), Contains("mask must be u8, got f32"));
  CHECK_THROWS_WITH(ops::where(mask, a, random_tensor(device, {4}, "b")), Contains("(4)"));
  CHECK_THROWS_WITH(ops::where(mask, a, ops::cast(a, DType::bf16)), Contains("bf16"));
}

TEST_CASE("one-hot rows", "[unit][ops]") {
  Device device({.threads = 1});
  const Tensor ids = ids_of(device, {2, 2}, {0, 2, -1, 3});
  for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
    const Tensor hot = ops::one_hot(ids, 3, dtype);
    CHECK(hot.dtype() == dtype);
    CHECK(hot.shape() == Shape{2, 2, 3});
    CHECK(hot.to_vector<float>() == std::vector<float>{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0});
  }
  CHECK_THROWS_WITH(ops::one_hot(ids, 0), Contains("classes") && Contains("0"));
  CHECK_THROWS_WITH(ops::one_hot(random_tensor(device, {2}, "x"), 3), Contains("i32"));
}
