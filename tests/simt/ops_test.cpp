// Every differentiable op on the host SIMT machine: value and gradients against the composed
// definition in f64 on the CPU, and the same bits in each order in which threads may run.

#include <catch2/catch.hpp>
#include <memory>

#include "kernels/simt/simt_queue.h"
#include "support/op_harness.h"

using namespace gigatrain;
using namespace gigatrain::test;

namespace {

void check_close(const Evaluation& got, const Evaluation& truth, double output_limit,
                 double gradient_limit) {
  CHECK(relative_error(got.outputs, truth.outputs) < output_limit);
  REQUIRE(got.gradients.size() == truth.gradients.size());
  for (std::size_t i = 0; i < got.gradients.size(); ++i) {
    INFO("input " << i);
    CHECK(relative_error(got.gradients[i], truth.gradients[i]) < gradient_limit);
  }
}

// Checks one case in one dtype: values in the first order, and its bits in the others.
class Orders {
 public:
  void check(const OpCase& c, DType dtype, double output_limit, double gradient_limit) {
    INFO(c.name << ", " << name(dtype));
    const Evaluation first = evaluate_on(*devices_[0], c, dtype);
    check_close(first, truth_of(cpu_, c), output_limit, gradient_limit);
    CHECK((evaluate_on(*devices_[1], c, dtype) == first));
    CHECK((evaluate_on(*devices_[2], c, dtype) == first));
  }

 private:
  Device cpu_{{.threads = 1}};
  std::unique_ptr<Device> devices_[3] = {simt_device(simt::Order::ascending),
                                         simt_device(simt::Order::descending),
                                         simt_device(simt::Order::shuffled)};
};

}  // namespace

TEST_CASE("simt: every op in f32: value and gradient", "[simt][ops]") {
  Orders orders;
  for (const auto& c : op_cases(Sizes::small())) orders.check(c, DType::f32, 1e-6, 3e-6);
}

TEST_CASE("simt: every op in bf16: value and gradient", "[simt][ops]") {
  Orders orders;
  for (const auto& c : op_cases(Sizes::small())) orders.check(c, DType::bf16, 2e-2, 3e-2);
}

TEST_CASE("simt: every op in f16: value and gradient", "[simt][ops]") {
  Orders orders;
  for (const auto& c : op_cases(Sizes::small())) orders.check(c, DType::f16, 2.5e-3, 4e-3);
}

TEST_CASE("simt: basic ops in f64: value and gradient", "[simt][ops]") {
  Orders orders;
  for (const auto& c : op_cases(Sizes::small()))
    if (!c.composed) orders.check(c, DType::f64, 1e-14, 1e-13);
}

// Sizes at which vector paths and several blocks run; one order, since each kernel's own test runs
// them all.
TEST_CASE("simt: every op at a wider size", "[simt][ops]") {
  const Sizes sizes{.b = 2, .t = 17, .c = 64, .heads = 4, .kv_heads = 2, .vocab = 72, .inner = 48};
  Device cpu({.threads = 1});
  const auto device = simt_device(simt::Order::shuffled);
  for (const auto& c : op_cases(sizes)) {
    INFO(c.name);
    const Evaluation truth = truth_of(cpu, c);
    check_close(evaluate_on(*device, c, DType::f32), truth, 2e-6, 5e-6);
    check_close(evaluate_on(*device, c, DType::bf16), truth, 2e-2, 3e-2);
    check_close(evaluate_on(*device, c, DType::f16), truth, 2.5e-3, 4e-3);
  }
}
