// Ranks that are threads share training steps on GPUs, each with a queue of its own: one digest for
// any number of them, at any stage of ZeRO, whether they share a GPU or not.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "collectives/ranks.h"
#include "gpu/gpu_device.h"
#include "support/tiny_run.h"

using namespace gigatrain;
using namespace gigatrain::test;

namespace {

// The digest of every rank, each of which opens its GPU in its own thread.
std::vector<std::string> digests(const std::string& shard, const TinyOptions& o, int ranks,
                                 int gpus) {
  return on_ranks<std::string>(ranks, [&](Communicator& comm) {
    TinyOptions mine = o;
    mine.ranks = &comm;
    const auto device = open_device("cuda", {.ordinal = comm.rank() % gpus});
    return fmt::format("{:016x}", TinyRun(shard, mine, *device).digest_after(3));
  });
}

void check(int gpus, const std::vector<int>& ranks) {
  const auto gpu = open_gpu();
  REQUIRE(gpu);
  const TempFolder folder;
  const std::string shard = folder / "train.bin";
  write_shard(shard, 4000, 259);
  for (const bool llama : {false, true})
    for (const DType compute : {DType::f32, DType::bf16}) {
      TinyOptions o{.compute = compute,
                    .batch = {.leaves = 8, .micro_batches = 2, .micro_batch = 2, .seq_len = 16},
                    .llama = llama,
                    .n_embd = 96,
                    .vocab = 259,
                    .unequal = true,
                    .bucket_bytes = 100'000};
      const std::string want = fmt::format("{:016x}", TinyRun(shard, o, *gpu).digest_after(3));
      for (const int count : ranks)
        for (o.zero = 0; o.zero <= 3; ++o.zero) {
          INFO(fmt::format("{}, {}, {} ranks on {} GPUs, stage {}", llama ? "llama" : "gpt",
                           name(compute), count, gpus, o.zero));
          CHECK(digests(shard, o, count, gpus) ==
                std::vector<std::string>(static_cast<std::size_t>(count), want));
        }
    }
}

}  // namespace

TEST_CASE("gpu: one digest for any number of ranks on one GPU, at any stage",
          "[gpu][parallel][bits]") {
  if (open_gpu()) check(1, {1, 2, 4});
}

TEST_CASE("gpu: and on two GPUs", "[gpu][parallel][bits]") {
  if (open_gpu({.ordinal = 1})) check(2, {2, 4});
}
