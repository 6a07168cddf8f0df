// The tree gives one result for every way of dealing the leaves out, and a running sum would not.

#include "gigatrain/parallel/gradient_tree.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <optional>

#include "gigatrain/base/error.h"
#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/anomaly.h"
#include "kernels/reduce.h"
#include "support/random.h"

using namespace gigatrain;
using namespace gigatrain::parallel;

namespace {

constexpr std::int64_t kElements = 1000;

// A parameter of two uses whose leaf gradients differ by powers of two, so that order matters.
struct Fixture {
  Device device{{.threads = 1}};
  Parameter parameter{{kElements}, {}};
  std::shared_ptr<ParameterUse> first = parameter.add_use(), second = parameter.add_use();

  Fixture() { parameter.allocate(device, DType::f32); }

  std::vector<float> gradient(std::int64_t leaf, int use) const {
    const auto u = test::random_values(kElements, "leaf" + std::to_string(leaf * 2 + use));
    std::vector<float> g;
    for (std::size_t i = 0; i < u.size(); ++i)
      g.push_back(
          static_cast<float>(u[i] * std::exp2(static_cast<double>((leaf * 7 + use * 3) % 11))));
    return g;
  }
  void collect(std::int64_t leaf) {
    for (int use = 0; use < 2; ++use) {
      GradLeaf& target = (use ? second : first)->leaf();
      target.gradient = Tensor::from<float>(device, {kElements}, gradient(leaf, use));
      target.filled = true;
    }
  }
  std::vector<float> sum_in_order(std::int64_t leaves, const std::vector<std::int64_t>& order) {
    GradientTree tree({&parameter}, leaves);
    for (const auto leaf : order) {
      tree.begin_leaf({leaf});
      collect(leaf);
      tree.end_leaf();
    }
    tree.finish();
    peak = tree.peak_buffers();
    return parameter.grad.to_vector<float>();
  }
  std::int64_t peak = 0;
};

std::vector<std::int64_t> dealt(std::int64_t leaves, std::int64_t blocks, bool strided) {
  std::vector<std::int64_t> order;
  for (std::int64_t b = 0; b < blocks; ++b)
    for (const auto leaf :
         strided ? strided_leaves(leaves, b, blocks) : contiguous_leaves(leaves, b, blocks))
      order.push_back(leaf);
  return order;
}

}  // namespace

TEST_CASE("the tree does not depend on who computes which leaf", "[unit][parallel]") {
  Fixture f;
  constexpr std::int64_t kLeaves = 16;
  const auto whole = f.sum_in_order(kLeaves, dealt(kLeaves, 1, false));
  CHECK(f.peak <= 5);  // log2(16) partials and the leaf at hand
  for (const std::int64_t blocks : {2, 3, 4, 5, 7, 8, 16})
    for (const bool strided : {false, true}) {
      INFO(blocks << (strided ? " strided" : " contiguous"));
      CHECK(f.sum_in_order(kLeaves, dealt(kLeaves, blocks, strided)) == whole);
    }
  auto backwards = dealt(kLeaves, 1, false);
  std::reverse(backwards.begin(), backwards.end());
  CHECK(f.sum_in_order(kLeaves, backwards) == whole);
}

TEST_CASE("the tree is the aligned binary tree, uses added after it", "[unit][parallel]") {
  Fixture f;
  const auto sum = f.sum_in_order(4, {0, 1, 2, 3});
  std::vector<float> expected, running;
  for (std::size_t i = 0; i < sum.size(); ++i) {
    float total[2], all = 0;
    for (int use = 0; use < 2; ++use) {
      const auto g = [&](int leaf) { return f.gradient(leaf, use)[i]; };
      total[use] = (g(0) + g(1)) + (g(2) + g(3));
      all += ((g(0) + g(1)) + g(2)) + g(3);
    }
    expected.push_back(total[0] + total[1]);
    running.push_back(all);
  }
  CHECK(sum == expected);
  CHECK(sum != running);  // the data would show a running sum
}

TEST_CASE("the tree refuses lost, repeated and unknown leaves", "[unit][parallel][errors]") {
  using Catch::Matchers::Contains;
  Fixture f;
  CHECK_THROWS_WITH(GradientTree({&f.parameter}, 6), Contains("power of two, got 6"));
  CHECK_THROWS_WITH(f.sum_in_order(4, {0, 1, 3}), Contains("leaf 2 of 4 was never given"));
  CHECK_THROWS_WITH(f.sum_in_order(4, {0, 0}), Contains("given twice"));
  CHECK_THROWS_WITH(f.sum_in_order(4, {4}), Contains("leaf 4 of 4"));
}

TEST_CASE("the tree refuses a backward beyond the leaf's micro-batches",
          "[unit][parallel][errors]") {
  Device device({.threads = 1});
  Parameter weight({4, 4}, {});
  const auto use = weight.add_use();
  weight.allocate(device, DType::f32);
  GradientTree tree({&weight}, 2);
  tree.begin_leaf({0}, 2);
  const auto again = [&] {
    const Tensor y = ops::linear(test::random_tensor(device, {3, 4}, "x"), use->tensor());
    backward(ops::sum(y));
  };
  again(), again();
  CHECK_THROWS_WITH(again(), Catch::Matchers::Contains("last of the leaf's 2 backward()"));
}

TEST_CASE("a step that was broken off leaves nothing behind", "[unit][parallel]") {
  Fixture f;
  const auto expected = f.sum_in_order(4, {0, 1, 2, 3});
  GradientTree tree({&f.parameter}, 4);
  for (const std::int64_t leaf : {2, 0}) {
    tree.begin_leaf({leaf});
    f.collect(leaf);
    tree.end_leaf();
  }
  tree.begin_step();
  for (const std::int64_t leaf : {0, 1, 2, 3}) {
    tree.begin_leaf({leaf});
    f.collect(leaf);
    tree.end_leaf();
  }
  tree.finish();
  CHECK(f.parameter.grad.to_vector<float>() == expected);

  f.collect(1);
  discard_gradients({&f.parameter});
  collect_gradients({&f.parameter});
  CHECK(f.parameter.grad.to_vector<float>() == std::vector<float>(kElements, 0.0f));
}

// Under DetectAnomaly every gradient is made alone, and then added.
TEST_CASE("gradients that ops add to the tree themselves have its bits and take less memory",
          "[unit][parallel][bits]") {
  struct Result {
    std::vector<float> table, inner;
    std::int64_t peak;
  };
  const auto run = [](std::int64_t leaves, std::int64_t micro_batches, bool alone) {
    Device device({.threads = 2});
    Parameter table({4000, 64}, {}), inner({64, 64}, {});
    const auto first = table.add_use(), last = table.add_use(), between = inner.add_use();
    for (auto* p : {&table, &inner}) {
      p->allocate(device, DType::f32);
      p->assign(test::random_tensor(device, p->shape(), "p"));
    }
    std::optional<DetectAnomaly> checks;
    if (alone) checks.emplace();
    GradientTree tree({&table, &inner}, leaves);
    tree.begin_step();
    for (const auto& turn : tree.turns()) {
      tree.begin_leaf(turn, micro_batches);
      for (std::int64_t a = 0; a < micro_batches; ++a) {
        std::vector<std::int32_t> ids(24);
        for (std::size_t i = 0; i < ids.size(); ++i)
          ids[i] = static_cast<std::int32_t>((i * 7 + i * i * (turn.leaf + 1) + a) % 4000);
        const Tensor tokens = Tensor::from<std::int32_t>(device, {2, 12}, ids);
        const Tensor x = ops::embedding(tokens, first->tensor());
        const Tensor y = ops::linear(x, between->tensor(), {});
        backward(ops::linear_cross_entropy(y, last->tensor(), tokens, 1.0));
      }
      tree.end_leaf();
    }
    tree.finish();
    return Result{table.grad.to_vector<float>(), inner.grad.to_vector<float>(),
                  device.allocator().stats().total.peak};
  };
  for (const std::int64_t leaves : {1, 2, 8})
    for (const std::int64_t micro_batches : {1, 2}) {
      CAPTURE(leaves, micro_batches);
      const Result added = run(leaves, micro_batches, false),
                   alone = run(leaves, micro_batches, true);
      CHECK(added.table == alone.table);
      CHECK(added.inner == alone.inner);
      if (leaves * micro_batches == 1) CHECK(added.peak < alone.peak);  // no second table
    }
}

// Part by part, as a bucket of gradients is added: see totals_for().
TEST_CASE("sums that are added outside of PartialSums have its bits", "[unit][parallel][bits]") {
  Fixture f;
  const auto leaf_sum = [&](std::int64_t leaf) {
    return Tensor::from<float>(f.device, {kElements}, f.gradient(leaf, 0));
  };
  const auto sum_of = [&](const std::vector<std::int64_t>& order, bool outside) {
    PartialSums sums;
    for (const std::int64_t leaf : order) {
      Tensor at = leaf == 5 ? Tensor{} : leaf_sum(leaf);  // nothing came from that one
      const auto totals = sums.totals_for({leaf, 1});
      if (!outside || totals.empty()) {
        sums.add({{leaf, 1}, at});
        continue;
      }
      for (const auto& total : totals) {
        if (at) add_into(total, at);
        at = total;
      }
      sums.added({leaf, 1});
    }
    const auto left = sums.take();
    REQUIRE(left.size() == 1);
    CHECK(left.front().node == TreeNode{0, 8});
    return left.front().sum.to_vector<float>();
  };
  for (const auto& order : {std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7},
                            {5, 4, 7, 6, 3, 1, 2, 0},
                            {6, 0, 4, 2, 5, 7, 1, 3}})
    CHECK(sum_of(order, true) == sum_of(order, false));
}

TEST_CASE("parts and the totals that they join, however many, are added as pairs are",
          "[unit][parallel][bits]") {
  Fixture f;
  const auto some = [&](std::int64_t first, std::int64_t count) {
    std::vector<Tensor> out;
    for (std::int64_t i = first; i < first + count; ++i)
      out.push_back(Tensor::from<float>(f.device, {kElements}, f.gradient(i, 0)));
    return out;
  };
  for (const std::int64_t joined : {0, 1, 8, 9, 20}) {
    const auto expected = some(0, 2), more = some(2, joined);
    add_into(expected[0], expected[1]);
    for (const auto& one : more) add_into(expected[0], one);
    const auto parts = some(0, 2), totals = some(2, joined);
    add_parts(parts, totals, parts[1]);
    CHECK((joined ? totals.back() : parts[1]).to_vector<float>() == expected[0].to_vector<float>());
  }
}
