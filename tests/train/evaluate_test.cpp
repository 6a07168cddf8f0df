// Evaluation: what it sums, and that it waits for the device once.
#include "gigatrain/train/evaluate.h"

#include <catch2/catch.hpp>

#include "kernels/simt/simt_queue.h"
#include "support/tiny_run.h"

using namespace gigatrain;

namespace {

// Counts what makes the host wait.
class WaitingQueue : public SimtQueue {
 public:
  explicit WaitingQueue(int& waits) : waits_(waits) {}
  void download(void* to, const void* from, std::int64_t bytes) override {
    ++waits_;
    SimtQueue::download(to, from, bytes);
  }
  void synchronize() override { ++waits_; }

 private:
  int& waits_;
};

}  // namespace

TEST_CASE("evaluation: the losses of micro-batches, added in order", "[unit][train][evaluate]") {
  const test::TempFolder folder;
  test::write_shard(folder / "train.bin", 100, test::TinyRun::kVocab);
  test::TinyRun run(folder / "train.bin", {});
  const Evaluation all = evaluate(*run.model, run.device, run.data, 2);
  CHECK(all.terms == 99);
  CHECK(all.samples == 9);  // of 12 tokens, the last one partial
  double sum = 0;
  const HostBatch host(run.data.fields(), 2);
  const NoGrad off;
  for (std::int64_t first = 0; first < 9; first += 2) {
    const std::int64_t n = std::min<std::int64_t>(2, 9 - first);
    run.data.fill_eval(first, n, host.pointers());
    nn::BatchContext context;
    sum += run.model->loss(host.on(run.device, n), 1.0, context).item();
  }
  CHECK(all.loss == sum / 99);
  CHECK(evaluate(*run.model, run.device, run.data, 2, 2).samples == 4);
}

TEST_CASE("evaluation: a second one takes nothing from the system", "[unit][train][evaluate]") {
  const test::TempFolder folder;
  test::write_shard(folder / "train.bin", 1000, test::TinyRun::kVocab);
  test::TinyRun run(folder / "train.bin", {.threads = 2});
  const auto round = [&](std::int64_t step) {
    run.losses_to(step);
    evaluate(*run.model, run.device, run.data, 4);
    return run.device.allocator().stats().system_allocations;
  };
  round(2);
  const std::int64_t before = round(3);
  CHECK(round(4) == before);
}

TEST_CASE("evaluation: a queue of its own is waited for once", "[simt][runs][evaluate]") {
  const test::TempFolder folder;
  test::write_shard(folder / "train.bin", 100, test::TinyRun::kVocab);
  int waits = 0;
  Device device(std::make_unique<WaitingQueue>(waits));
  test::TinyRun run(folder / "train.bin", {}, device), cpu(folder / "train.bin", {});
  waits = 0;
  const double loss = evaluate(*run.model, device, run.data, 3).loss;
  CHECK(waits == 1);
  CHECK(loss == Approx(evaluate(*cpu.model, cpu.device, cpu.data, 3).loss).epsilon(1e-5));
}
