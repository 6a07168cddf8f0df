// Nothing of the GPU's portable kernels is left untried: a list that fails when a kernel is
// missing, and a small training run that goes through nearly all of them.

#include <catch2/catch.hpp>

#include "kernels/simt/simt_queue.h"
#include "kernels/table.h"
#include "support/op_harness.h"
#include "support/tiny_run.h"

using namespace gigatrain;
using namespace gigatrain::test;

namespace {

struct TestData {
  TempFolder folder;
  std::string path = folder / "train.bin";
  explicit TestData(std::int64_t vocab = TinyRun::kVocab) { write_shard(path, 2000, vocab); }
};

// Two leaves of two micro-batches: the tree, accumulation into leaves, and dropout.
const BatchShape kBatch{.leaves = 2, .micro_batches = 2, .micro_batch = 2, .seq_len = 12};

TinyOptions options(DType compute = DType::f32) {
  return {.compute = compute, .batch = kBatch, .dropout = 0.1f};
}

}  // namespace

TEST_CASE("simt: every kernel of the table runs in these tests", "[simt]") {
  const auto device = simt_device();
  for (const auto& c : op_cases(Sizes::small())) evaluate_on(*device, c, DType::f32);
  const TestData shard;
  TinyRun(shard.path, options(), *device).digest_after(1);
  for (const auto name : optim::optimizer_names()) {
    Parameter weight({64, 66}, {});
    weight.allocate(*device, DType::f32);
    weight.initialize(1);
    weight.grad = Tensor::full(*device, weight.shape(), 1.0);
    optim::make_optimizer(std::string(name), {&weight})->step({.step = 1, .lr = 0.1f});
  }
  const Tensor y = Tensor::full(*device, {9}, 1.0);
  auto* sum = y.view().as<float>();
  device->stream().submit(kernels::TreeSum{.x = {sum, sum}, .count = 2, .y = sum, .numel = 9});
  const auto& seen = dynamic_cast<const SimtQueue&>(*device->backend()).seen;
#define GT_CHECK_SEEN(Args)                       \
  {                                               \
    INFO("no test runs " #Args);                  \
    CHECK(seen.count(kernels::Args::kName) == 1); \
  }
  GT_EACH_KERNEL(GT_CHECK_SEEN)
#undef GT_CHECK_SEEN
}

TEST_CASE("simt: a training run has one digest in every order, and the CPU's losses",
          "[simt][runs]") {
  const TestData shard;
  for (const DType compute : {DType::f32, DType::bf16, DType::f16}) {
    INFO(name(compute));
    constexpr std::int64_t kSteps = 2;
    const auto want = TinyRun(shard.path, options(compute)).losses_to(kSteps);
    TinyRun first(shard.path, options(compute), simt_device(simt::Order::ascending));
    const auto losses = first.losses_to(kSteps);
    for (std::size_t i = 0; i < want.size(); ++i)
      CHECK(losses[i] == Approx(want[i]).epsilon(compute == DType::f32 ? 1e-5 : 5e-3));
    for (const auto order : {simt::Order::descending, simt::Order::shuffled}) {
      if (compute == DType::f16 && order == simt::Order::descending) continue;  // time
      CHECK(TinyRun(shard.path, options(compute), simt_device(order)).digest_after(kSteps) ==
            first.digest());
    }
  }
}

TEST_CASE("simt: a token outside the vocabulary ends the step before the weights change",
          "[simt][train][errors]") {
  const TestData shard(3 * TinyRun::kVocab);  // data of another tokenizer
  TinyRun tiny(shard.path, options(), simt_device());
  const auto before = tiny.digest();
  CHECK_THROWS_WITH(tiny.trainer->step(), Catch::Matchers::Contains("must be in [0, 37)"));
  CHECK(tiny.digest() == before);
}
