// From its third step on a training asks the system for no more memory.

#include <catch2/catch.hpp>

#include "support/tiny_run.h"

using namespace gigatrain;

namespace {

std::int64_t allocations(const test::TinyRun& run) {
  return run.device.allocator().stats().system_allocations;
}

}  // namespace

TEST_CASE("a steady step allocates nothing", "[unit][train][memory]") {
  const test::TempFolder folder;
  test::write_shard(folder / "train.bin", 4000, test::TinyRun::kVocab);
  for (const bool llama : {false, true})
    for (const DType compute : {DType::f32, DType::bf16, DType::f16})
      for (const int threads : {1, 3}) {
        INFO((llama ? "llama " : "gpt with dropout ") << name(compute) << " " << threads);
        // The clip of 1 is the Trainer's own default; leaves make a tree of gradients.
        test::TinyRun run(
            folder / "train.bin",
            {.threads = threads,
             .compute = compute,
             .batch = {.leaves = 4, .micro_batches = 2, .micro_batch = 2, .seq_len = 12},
             .llama = llama});
        for (int i = 0; i < 2; ++i) run.trainer->step();
        const std::int64_t steady = allocations(run);
        CHECK(steady > 0);
        for (int i = 0; i < 4; ++i) run.trainer->step();
        CHECK(allocations(run) == steady);
      }
}
