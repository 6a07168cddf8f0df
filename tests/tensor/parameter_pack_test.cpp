// Packed parameters: one block and one product, and yet what each would be alone.

#include "gigatrain/tensor/parameter_pack.h"

#include <catch2/catch.hpp>

#include <functional>

#include "gigatrain/base/error.h"
#include "gigatrain/ops/ops.h"
#include "gigatrain/parallel/gradient_tree.h"
#include "kernels/elementwise.h"
#include "support/random.h"

using namespace gigatrain;

namespace {

constexpr std::int64_t kIn = 5;

struct Weights {
  std::vector<std::shared_ptr<Parameter>> all;

  Weights() {
    const char* names[] = {"q", "k", "v"};
    const std::int64_t rows[] = {4, 3, 6};
    for (std::size_t i = 0; i < 3; ++i) {
      all.push_back(std::make_shared<Parameter>(Shape{rows[i], kIn},
                                                Init{.kind = Init::Kind::normal, .stddev = 1.0f}));
      all.back()->set_name(names[i]);
    }
  }
  void allocate(Device& device, DType compute = DType::f32, DType master = DType::f32) {
    for (const auto& p : all) {
      p->allocate(device, compute, master);
      p->initialize(7);
    }
  }
  std::vector<Parameter*> pointers() const { return {all[0].get(), all[1].get(), all[2].get()}; }
  // Gradients of four leaves of two micro-batches, the leaves in this order.
  std::vector<std::vector<double>> gradients(Device& device, const std::vector<std::int64_t>& order,
                                             const std::function<Tensor(const Tensor&)>& product) {
    parallel::GradientTree tree(pointers(), 4);
    for (const auto leaf : order) {
      tree.begin_leaf({leaf}, 2);
      for (int a = 0; a < 2; ++a) {
        const std::string name = std::to_string(2 * leaf + a);
        const Tensor y = product(test::random_tensor(device, {3, kIn}, name));
        backward(ops::sum(ops::mul(y, test::random_tensor(device, y.shape(), "w" + name))));
      }
      tree.end_leaf();
    }
    tree.finish();
    std::vector<std::vector<double>> out;
    for (const auto& p : all) out.push_back(p->grad.to_vector<double>());
    return out;
  }
};

}  // namespace

TEST_CASE("packed parameters have the values of lone ones", "[unit][tensor]") {
  Device device({.threads = 1});
  for (const auto& [compute, master] :
       {std::pair{DType::f32, DType::f32}, {DType::bf16, DType::f32}, {DType::bf16, DType::bf16}}) {
    Weights lone, packed;
    ParameterPack pack(packed.all);
    lone.allocate(device, compute, master);
    for (int again = 0; again < 2; ++again) {  // new memory the second time
      packed.allocate(device, compute, master);
      std::vector<double> joined;
      for (std::size_t i = 0; i < 3; ++i) {
        CHECK(packed.all[i]->value().to_vector<double>() ==
              lone.all[i]->value().to_vector<double>());
        for (const double x : lone.all[i]->compute_value().to_vector<double>()) joined.push_back(x);
      }
      const Tensor whole = pack.tensor();
      CHECK(whole.shape() == Shape{13, kIn});
      CHECK(whole.dtype() == compute);
      CHECK(whole.to_vector<double>() == joined);
    }
    // A change of one member is seen, through the bf16 copy too.
    device.stream().submit(kernels::Fill{.y = packed.all[1]->value().view(), .value = 3.0});
    packed.all[1]->changed();
    CHECK(pack.tensor().to_vector<double>()[4 * kIn] == 3.0);
  }
}

TEST_CASE("an operand on a CPU is the f32 master, and no copy is made", "[unit][tensor]") {
  Device device({.threads = 1});
  Weights lone, packed;
  ParameterPack pack(packed.all);
  packed.allocate(device, DType::bf16);
  lone.allocate(device, DType::bf16);
  const auto use = lone.all[0]->add_use();
  const auto taken = [&] { return device.allocator().stats().total.now; };
  const std::int64_t before = taken();
  CHECK(pack.operand().dtype() == DType::f32);
  CHECK(use->operand().same_storage(lone.all[0]->value()));
  CHECK_FALSE(lone.all[0]->compute_copy());
  CHECK(taken() == before);
  CHECK(use->tensor().dtype() == DType::bf16);  // made when it is asked for
  CHECK(lone.all[0]->compute_copy());
  CHECK(use->operand().dtype() == DType::f32);
  CHECK(pack.tensor().dtype() == DType::bf16);
  // bf16 alone, or f16: there is nothing to round, or no kernel that does.
  lone.allocate(device, DType::bf16, DType::bf16);
  CHECK(use->operand().dtype() == DType::bf16);
  lone.allocate(device, DType::f16);
  CHECK(use->operand().dtype() == DType::f16);
}

TEST_CASE("packed parameters have the gradients of lone ones, whatever the order of leaves",
          "[unit][tensor]") {
  Device device({.threads = 2});
  Weights lone, packed;
  ParameterPack pack(packed.all);
  lone.allocate(device);
  packed.allocate(device);
  std::vector<std::shared_ptr<ParameterUse>> uses;
  for (const auto& p : lone.all) uses.push_back(p->add_use());
  // Three products, each put into its columns by a matrix of zeros and ones.
  const auto apart = [&](const Tensor& x) {
    Tensor all = Tensor::full(device, {3, 13}, 0.0);
    std::int64_t first = 0;
    for (const auto& use : uses) {
      const std::int64_t rows = use->parameter().shape()[0];
      std::vector<float> place(static_cast<std::size_t>(rows * 13));
      for (std::int64_t i = 0; i < rows; ++i)
        place[static_cast<std::size_t>(i * 13 + first + i)] = 1.0f;
      all = ops::add(all, ops::matmul(ops::linear(x, use->tensor()),
                                      Tensor::from<float>(device, {rows, 13}, place)));
      first += rows;
    }
    return all;
  };
  const auto together = [&](const Tensor& x) { return ops::linear(x, pack.tensor()); };
  const auto expected = lone.gradients(device, {0, 1, 2, 3}, apart);
  for (const auto& order : {std::vector<std::int64_t>{0, 1, 2, 3}, {3, 1, 0, 2}})
    CHECK(packed.gradients(device, order, together) == expected);
}

TEST_CASE("a pack refuses what does not fit together", "[unit][tensor][errors]") {
  using Catch::Matchers::Contains;
  Device device({.threads = 1});
  const auto make = [](const Shape& shape) { return std::make_shared<Parameter>(shape, Init{}); };
  CHECK_THROWS_WITH(ParameterPack({}), Contains("at least one parameter"));
  CHECK_THROWS_WITH(ParameterPack({make({2, 4}), make({2, 5})}), Contains("got (2, 4) and (2, 5)"));
  const auto p = make({2, 4});
  p->allocate(device, DType::f32);
  CHECK_THROWS_WITH(ParameterPack({p}), Contains("memory of its own already"));
  const auto q = make({2, 4});
  const ParameterPack pack({q});
  CHECK_THROWS_WITH(ParameterPack({q}), Contains("in a pack already"));
  CHECK_THROWS_WITH(q->uses().front()->tensor(), Contains("used as part of a pack"));
}

TEST_CASE("a pack makes gradients unless all its members are frozen", "[unit][tensor]") {
  Device device({.threads = 1});
  Weights packed;
  ParameterPack pack(packed.all);
  packed.allocate(device);
  packed.all[0]->set_requires_grad(false);
  packed.all[2]->set_requires_grad(false);
  CHECK(pack.tensor().requires_grad());
  packed.all[1]->set_requires_grad(false);
  CHECK_FALSE(pack.tensor().requires_grad());
  packed.all[1]->set_requires_grad(true);
  CHECK(pack.tensor().requires_grad());
}
