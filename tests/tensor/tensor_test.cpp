#include "gigatrain/tensor/tensor.h"

#include <catch2/catch.hpp>

#include <chrono>

#include "gigatrain/base/error.h"
#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/anomaly.h"
#include "gigatrain/tensor/node.h"
#include "gigatrain/tensor/parameter.h"
#include "support/random.h"

using namespace gigatrain;

TEST_CASE("tensors hold what they are given", "[unit][tensor]") {
  Device device({.threads = 1});
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  const Tensor t = Tensor::from<float>(device, {2, 3}, values);
  CHECK(t.to_vector<float>() == values);
  CHECK(ops::transpose(t, 0, 1).to_vector<float>() == std::vector<float>{1, 4, 2, 5, 3, 6});
  CHECK(ops::slice(t, 1, 1, 2).to_vector<float>() == std::vector<float>{2, 5});
  CHECK(Tensor::full(device, {}, 2.5).item() == 2.5);
  CHECK_THROWS_AS(Tensor::from<float>(device, {7}, values), Error);
  CHECK_THROWS_AS(t.item(), Error);
  CHECK_THROWS_AS((Shape{2, -1}), Error);
}

TEST_CASE("memory is named, counted and given back", "[unit][tensor]") {
  Device device({.threads = 1});
  {
    const Tensor a = Tensor::empty(device, {1000}, DType::f32, {Purpose::optimizer, "a"});
    const auto stats = device.allocator().stats();
    CHECK(stats.by_purpose[static_cast<std::size_t>(Purpose::optimizer)].now == 4000);
    CHECK(device.allocator().live_blocks().front().name.what == std::string("a"));
  }
  const auto before = device.allocator().stats();
  CHECK(before.total.now == 0);
  for (int i = 0; i < 10; ++i) Tensor::empty(device, {1000});
  CHECK(device.allocator().stats().system_allocations == before.system_allocations);  // cached
}

TEST_CASE("the whole graph is freed, whether or not a backward ran", "[unit][tensor]") {
  Device device({.threads = 1});
  {
    Tensor x = test::random_tensor(device, {8}, "x");
    x.require_grad();
    Tensor y = ops::exp(x);                                   // saves its own output
    for (int i = 0; i < 100000; ++i) y = ops::scale(y, 1.0);  // too deep for a recursive free
  }
  CHECK(device.allocator().stats().total.now == 0);
}

TEST_CASE("NoGrad keeps the tape off", "[unit][tensor]") {
  Device device({.threads = 1});
  Tensor x = test::random_tensor(device, {8}, "x");
  x.require_grad();
  {
    const NoGrad off;
    CHECK_FALSE(ops::exp(x).requires_grad());
  }
  CHECK(ops::exp(x).requires_grad());
}

TEST_CASE("saved tensors can be listed", "[unit][tensor]") {
  Device device({.threads = 1});
  Tensor x = test::random_tensor(device, {8}, "x");
  x.require_grad();
  const Tensor y = ops::mul(x, x);
  REQUIRE(y.node()->saved().size() == 2);
  CHECK(y.node()->saved()[0].same_storage(x));
  CHECK(std::string(y.node()->name()) == "mul");
}

TEST_CASE("a leaf says when its gradient is complete", "[unit][tensor]") {
  Device device({.threads = 1});
  Tensor x = test::random_tensor(device, {4}, "x", DType::f64);
  x.require_grad();
  int calls = 0;
  double seen = 0;
  x.leaf()->on_ready = [&] {
    ++calls;
    seen = x.leaf()->gradient.to_vector<double>()[0];
  };
  backward(ops::sum(ops::add(ops::scale(x, 2.0), ops::scale(x, 5.0))));
  CHECK(calls == 1);
  CHECK(seen == 7.0);
}

TEST_CASE("a gradient in one piece is added to a sum without a copy, with the same bits",
          "[unit][tensor][bits]") {
  Device device({.threads = 1});
  const Tensor ids = Tensor::from<std::int32_t>(
      device, {1, 9}, std::vector<std::int32_t>{4, 1, 4, 0, 1, 4, 2, 2, 4});
  Tensor table = test::random_tensor(device, {6, 20}, "table");
  table.require_grad();
  GradLeaf& leaf = *table.leaf();
  const auto run = [&](auto loss_of) {
    leaf.gradient = {};
    leaf.filled = false, leaf.added = 0;
    backward(ops::sum(ops::mul(loss_of(), test::random_tensor(device, {1, 9, 20}, "dout"))));
  };
  const auto once = [&] { return ops::embedding(ids, table); };
  const auto twice = [&] { return ops::add(once(), once()); };
  const auto given = [&] { return ops::embedding(ids, ops::scale(table, 3.0)); };
  const Tensor before = test::random_tensor(device, {6, 20}, "before");
  run(once);
  const auto expected = ops::add(before, leaf.gradient).to_vector<float>();
  leaf.onto = {ops::scale(before, 1.0)};
  run(once);
  CHECK(leaf.added == 1);
  CHECK_FALSE(leaf.filled);
  CHECK(leaf.onto.front().to_vector<float>() == expected);

  leaf.onto = {};
  run(given);
  const auto whole = leaf.gradient.to_vector<float>();
  leaf.onto = {ops::scale(before, 1.0)};
  int buffers = 0;
  leaf.buffer = [&] {
    ++buffers;
    return ops::scale(before, 0.0);
  };
  run(given);
  CHECK(leaf.gradient.to_vector<float>() == whole);
  CHECK(buffers == 0);
  run(twice);  // two gradients, whose sum is to be made first
  CHECK(leaf.added == 0);
  CHECK(leaf.filled);
  CHECK(buffers == 1);
  const DetectAnomaly checks;  // which look at the gradient
  run(once);
  CHECK(leaf.added == 0);
  CHECK(leaf.onto.front().to_vector<float>() == before.to_vector<float>());
}

TEST_CASE("a product adds its gradient to several sums, one after the other",
          "[unit][tensor][bits]") {
  Device device({.threads = 1});
  const Tensor x = test::random_tensor(device, {9, 20}, "x");
  Tensor weight = test::random_tensor(device, {30, 20}, "w");
  weight.require_grad();
  GradLeaf& leaf = *weight.leaf();
  const auto run = [&] {
    backward(ops::sum(
        ops::mul(ops::linear(x, weight, {}), test::random_tensor(device, {9, 30}, "dout"))));
  };
  const auto some = [&](int i) {
    return test::random_tensor(device, {30, 20}, "sum" + std::to_string(i));
  };
  run();
  Tensor expected = leaf.gradient;
  for (int i = 0; i < 6; ++i) {
    leaf.forget();
    for (int k = 0; k <= i; ++k) leaf.onto.push_back(some(k));
    run();
    CHECK(leaf.added == static_cast<std::size_t>(std::min(i + 1, 4)));
    CHECK_FALSE(leaf.gradient);
    if (i >= 4) continue;
    expected = ops::add(expected, some(i));
    CHECK(leaf.onto.back().to_vector<float>() == expected.to_vector<float>());
  }
}

TEST_CASE("initial values hang on seed and name only; bf16 copies follow the master",
          "[unit][tensor]") {
  Device device({.threads = 1});
  const auto make = [&](const char* name, std::uint64_t seed) {
    auto p = std::make_unique<Parameter>(Shape{30, 40}, Init{Init::Kind::normal, 0.5f});
    p->set_name(name);
    p->allocate(device, DType::bf16);
    p->initialize(seed);
    return p;
  };
  const auto a = make("a", 1);
  CHECK(a->value().to_vector<float>() == make("a", 1)->value().to_vector<float>());
  CHECK(a->value().to_vector<float>() != make("b", 1)->value().to_vector<float>());
  CHECK(a->value().to_vector<float>() != make("a", 2)->value().to_vector<float>());
  CHECK(a->compute_value().dtype() == DType::bf16);
  a->value().view().as<float>()[0] = 3.0f;
  a->changed();
  CHECK(a->compute_value().to_vector<float>()[0] == 3.0f);
}

TEST_CASE("a node of the tape costs less than a microsecond", "[unit][tensor]") {
  Device device({.threads = 1});
  Tensor x = Tensor::full(device, {1}, 1.0);
  x.require_grad();
  constexpr int kNodes = 20000;
  const auto seconds = [](auto work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  double best = 1;
  for (int repeat = 0; repeat < 5; ++repeat) {  // the same forward, with and without its nodes
    const double bare = seconds([&] {
      const NoGrad off;
      Tensor y = x;
      for (int i = 0; i < kNodes; ++i) y = ops::add(y, x);
    });
    const double taped = seconds([&] {
      Tensor y = x;
      for (int i = 0; i < kNodes; ++i) y = ops::add(y, x);
    });
    best = std::min(best, (taped - bare) / kNodes);
  }
  WARN("tape: " << best * 1e9 << " ns a node");
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__)
  CHECK(best < 1e-6);
#endif
}
