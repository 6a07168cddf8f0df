// Losses: what they add up to, and what they refuse. Values and gradients: op_cases.h.

#include <catch2/catch.hpp>

#include "gigatrain/base/error.h"
#include "gigatrain/ops/composed.h"
#include "gigatrain/tensor/node.h"
#include "support/random.h"

using namespace gigatrain;
using namespace gigatrain::test;
using Catch::Matchers::Contains;

namespace {

Tensor ids_of(Device& device, const std::vector<std::int32_t>& ids) {
  return Tensor::from<std::int32_t>(device, {static_cast<std::int64_t>(ids.size())}, ids);
}

ErrorCode code_of(const std::function<void()>& call, const char* fact) {
  try {
    call();
  } catch (const Error& e) {
    CHECK_THAT(e.what(), Contains(fact));
    return e.code();
  }
  FAIL("nothing was refused");
  return {};
}

}  // namespace

TEST_CASE("losses have known values", "[unit][ops][losses]") {
  Device device({.threads = 1});
  const auto of = [&](const std::vector<double>& v) {
    return tensor_of(device, {static_cast<std::int64_t>(v.size())}, v, DType::f32);
  };
  CHECK(ops::mse_loss(of({1, 2}), of({0, 4}), 0.5).item() == Approx(2.5));
  CHECK(ops::huber_loss(of({1, 2}), of({0.5, 5}), 1.0).item() == Approx(0.125 + 2.5));
  CHECK(ops::binary_cross_entropy(of({0, 2}), of({1, 0}), 1.0, 3.0).item() ==
        Approx(3 * std::log(2.0) + std::log1p(std::exp(2.0))));
  // Uniform logits: every distribution costs log V.
  const Tensor flat = Tensor::full(device, {3, 8}, 1.5);
  const Tensor targets = ids_of(device, {0, -1, 7});
  const double log8 = std::log(8.0), lse = 1.5 + log8;
  CHECK(ops::cross_entropy(flat, targets).item() == Approx(2 * log8));
  CHECK(ops::cross_entropy(flat, targets, 0.5, {.label_smoothing = 0.3, .z_loss = 0.1}).item() ==
        Approx(log8 + 0.1 * lse * lse));
  // torch.nn.functional.cross_entropy([[1, 2, 4]], [1], label_smoothing = 0.1): by its formula.
  const double sum = std::exp(1.0) + std::exp(2.0) + std::exp(4.0), log_sum = std::log(sum);
  CHECK(ops::cross_entropy(tensor_of(device, {1, 3}, {1, 2, 4}, DType::f32), ids_of(device, {1}),
                           1.0, {.label_smoothing = 0.1})
            .item() == Approx(0.9 * (log_sum - 2) + 0.1 * (log_sum - 7.0 / 3)));
}

TEST_CASE("losses of f64 are f64, stable, and have gradients", "[unit][ops][losses]") {
  Device device({.threads = 1});
  Tensor x = tensor_of(device, {3}, {-800, 0.25, 800}, DType::f64);
  x.require_grad();
  const Tensor t = tensor_of(device, {3}, {1, 0.5, 0}, DType::f32);
  const Tensor loss = ops::add(ops::binary_cross_entropy(x, t), ops::huber_loss(x, t, 2.0));
  CHECK(loss.dtype() == DType::f64);
  CHECK(std::isfinite(loss.item()));
  backward(loss);
  const auto g = x.leaf()->gradient.to_vector<double>();
  CHECK(g[0] == Approx(-3.0));
  CHECK(g[2] == Approx(3.0));
  Tensor z = tensor_of(device, {1, 2}, {0, 2000}, DType::f64);
  CHECK(ops::cross_entropy(z, ids_of(device, {0})).item() == Approx(2000.0));
}

TEST_CASE("label smoothing and z-loss of zero leave the bits of the plain loss",
          "[unit][ops][losses]") {
  Device device({.threads = 2});
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const auto run = [&](const ops::CrossEntropyOptions& options, bool linear) {
      Tensor x = random_tensor(device, {40, linear ? 24 : 300}, "x", dtype);
      Tensor w = random_tensor(device, {300, 24}, "w", dtype);
      x.require_grad(), w.require_grad();
      const Tensor targets = ids_of(device, random_ids(40, 300, "targets"));
      const Tensor loss = linear ? ops::linear_cross_entropy(x, w, targets, 0.1, options)
                                 : ops::cross_entropy(x, targets, 0.1, options);
      backward(loss);
      auto all = x.leaf()->gradient.to_vector<double>();
      all.push_back(loss.item());
      return all;
    };
    for (const bool linear : {false, true}) {
      CHECK(run({}, linear) == run({.label_smoothing = 0.0, .z_loss = 0.0}, linear));
      CHECK(run({}, linear) != run({.label_smoothing = 1e-3}, linear));
      CHECK(run({}, linear) != run({.z_loss = 1e-3}, linear));
    }
  }
}

TEST_CASE("cross_entropy of made logits is linear_cross_entropy", "[unit][ops][losses]") {
  Device device({.threads = 2});
  const Tensor x = random_tensor(device, {2, 20, 24}, "x"),
               w = random_tensor(device, {50, 24}, "w");
  const Tensor targets = ids_of(device, random_ids(40, 50, "targets"));
  const ops::CrossEntropyOptions options{.label_smoothing = 0.1, .z_loss = 1e-2};
  CHECK(ops::cross_entropy(ops::linear(x, w), targets, 0.5, options).item() ==
        ops::linear_cross_entropy(x, w, targets, 0.5, options).item());
}

TEST_CASE("a loss may be part of a larger one", "[unit][ops][losses]") {
  Device device({.threads = 1});
  Tensor x = random_tensor(device, {6}, "x");
  x.require_grad();
  const Tensor t = random_tensor(device, {6}, "t");
  backward(ops::scale(ops::mse_loss(x, t), 0.5));
  const auto g = x.leaf()->gradient.to_vector<double>(), a = x.to_vector<double>(),
             b = t.to_vector<double>();
  for (std::size_t i = 0; i < 6; ++i) CHECK(g[i] == Approx(a[i] - b[i]));
}

TEST_CASE("losses refuse what does not fit, and print both sides", "[unit][ops][losses][errors]") {
  Device device({.threads = 1});
  const Tensor x = random_tensor(device, {2, 3}, "x"), wide = random_tensor(device, {3, 2}, "t");
  Tensor learned = random_tensor(device, {2, 3}, "t");
  learned.require_grad();
  CHECK_THROWS_WITH(ops::mse_loss(x, wide), Contains("(2, 3)") && Contains("(3, 2)"));
  CHECK_THROWS_WITH(ops::mse_loss(x, {}), Contains("undefined"));
  CHECK_THROWS_WITH(ops::mse_loss(x, ops::cast(x, DType::bf16)), Contains("f32, got bf16"));
  CHECK_THROWS_WITH(ops::mse_loss(x, learned), Contains("detach()"));
  CHECK_THROWS_WITH(ops::huber_loss(x, x, 0.0), Contains("delta must be positive, got 0"));
  CHECK_THROWS_WITH(ops::binary_cross_entropy(x, x, 1.0, -1.0), Contains("got -1"));
  CHECK(code_of(
            [&] {
              ops::binary_cross_entropy(x, Tensor::full(device, {2, 3}, 1.25));
            },
            "target 1.25 of element 0") == ErrorCode::data);
  CHECK(code_of(
            [&] {
              ops::cross_entropy(x, ids_of(device, {0, 3}));
            },
            "id 3 in row 1") == ErrorCode::data);
  CHECK_THROWS_WITH(ops::cross_entropy(x, ids_of(device, {0, 1, 2})), Contains("2 rows"));
  CHECK_THROWS_WITH(ops::cross_entropy(x, x), Contains("targets must be i32, got f32"));
  CHECK_THROWS_WITH(ops::cross_entropy(x, ids_of(device, {0, 1}), 1.0, {.label_smoothing = 1.0}),
                    Contains("[0, 1), got 1"));
  CHECK_THROWS_WITH(ops::cross_entropy(x, ids_of(device, {0, 1}), 1.0, {.z_loss = -1.0}),
                    Contains("got -1"));
}
