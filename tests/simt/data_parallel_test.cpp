// Ranks share training steps in the memory of SIMT devices, whatever the stage of ZeRO: the bits of
// one such rank. Also where kernels and copies run as late as they may.
#include "gigatrain/parallel/data_parallel.h"

#include <catch2/catch.hpp>

#include <fmt/format.h>

#include <cstddef>
#include <map>

#include "collectives/ranks.h"
#include "gigatrain/optim/ema.h"
#include "gigatrain/train/evaluate.h"
#include "support/late_simt.h"
#include "support/save_run.h"
#include "support/tiny_run.h"
#include "train/run_state.h"

using namespace gigatrain;
using namespace gigatrain::test;

namespace {

using OpenDevice = std::function<std::unique_ptr<Device>()>;

struct Data {
  TempFolder folder;
  std::string path = folder / "train.bin";
  Data() { write_shard(path, 1000, TinyRun::kVocab); }
};

// The GPT has matrices that are cut inside. The Llama's are of odd sizes, so that parts of its
// packs begin at any address. Norms are above 1 at first: clipping works.
TinyOptions tiny(bool llama, const std::string& optimizer = "adamw") {
  return {.batch = {.leaves = 4, .micro_batches = 1, .micro_batch = 1, .seq_len = 4},
          .llama = llama,
          .optimizer = {.name = optimizer, .seed = 5},
          .n_embd = llama ? 33 : 40,
          .unequal = true,
          .bucket_bytes = 40'000};
}

std::string digest_of(const Data& data, const TinyOptions& o, Device& device) {
  return fmt::format("{:016x}", TinyRun(data.path, o, device).digest_after(2));
}

void check(const Data& data, const TinyOptions& o, const std::vector<int>& ranks,
           const std::vector<int>& stages, const OpenDevice& open) {
  const std::string expected = digest_of(data, o, *simt_device());
  for (const int count : ranks)
    for (const int zero : stages) {
      INFO(fmt::format("{}, {}, {}, {} ranks, stage {}", o.llama ? "llama" : "gpt",
                       o.optimizer.name, name(o.compute), count, zero));
      const auto all = on_ranks<std::string>(count, [&](Communicator& comm) {
        TinyOptions mine = o;
        mine.ranks = &comm;
        mine.zero = zero;
        const auto device = open();
        return digest_of(data, mine, *device);
      });
      CHECK(all == std::vector<std::string>(static_cast<std::size_t>(count), expected));
    }
}

const OpenDevice kAtOnce = [] { return simt_device(); };

}  // namespace

TEST_CASE("simt: ranks share a step, with the bits of one", "[simt][runs][parallel]") {
  const Data data;
  for (const bool llama : {false, true})
    check(data, tiny(llama), {1, 2, 3, 4}, {0, 1, 2, 3}, kAtOnce);
}

TEST_CASE("simt: so do ranks with other optimizers, in bf16", "[simt][runs][parallel]") {
  const Data data;
  for (const char* name : {"muon", "adamw8bit"}) {
    TinyOptions o = tiny(std::string(name) == "muon", name);
    o.compute = DType::bf16;
    check(data, o, {3}, {1, 3}, kAtOnce);
  }
}

TEST_CASE("simt: and ranks whose queues run as late as they may", "[simt][runs][parallel]") {
  const Data data;
  for (const Pace pace : {Pace::all_late, Pace::copies_at_once}) {
    const auto late = std::make_shared<LateMachine>(pace);
    TinyOptions o = tiny(false);
    o.compute = DType::bf16;
    check(data, o, {3}, {0, 1, 2, 3}, [&] { return late_simt_device(late); });
    CHECK(late->faults() == 0);
  }
}

namespace {

using Bytes = std::vector<std::byte>;

// What a run shows and saves after two steps.
struct Results {
  double loss = 0;  // of the average's evaluation
  std::string digest;
  std::map<std::string, Bytes> saved = {};  // of rank 0
};

std::map<std::string, Bytes> bytes_of(const Checkpoint& checkpoint) {
  std::map<std::string, Bytes> all;
  for (const auto& [name, tensor] : checkpoint.tensors())
    for (const auto& piece : tensor.pieces(0, tensor.shape.numel()))
      all[name].insert(all[name].end(), piece.data, piece.data + piece.bytes);
  return all;
}

Results results_of(const Data& data, const TinyOptions& o, Device& device) {
  TinyRun run(data.path, o, device);
  Results results{.digest = fmt::format("{:016x}", run.digest_after(2))};
  {
    const optim::Ema::Swapped averaged(run.optimizer->ema());
    results.loss =
        evaluate(*run.model, device, run.data, {.micro_batch = 2, .batches = 3, .ranks = o.ranks})
            .loss;
  }
  const TempFolder folder;
  const std::string saved = save_run(folder / "ckpt", *run.model, *run.optimizer, {}, o.ranks);
  if (!o.ranks || o.ranks->rank() == 0) results.saved = bytes_of(Checkpoint::open(saved));
  return results;
}

}  // namespace

TEST_CASE("simt: what ranks evaluate and save is what one does", "[simt][runs][parallel][ckpt]") {
  const Data data;
  TinyOptions o = tiny(true);
  o.compute = DType::bf16;
  o.optimizer.ema = 0.9f;
  const Results want = results_of(data, o, *simt_device());
  for (const Pace pace : {Pace::all_late, Pace::copies_at_once})
    for (const int zero : {0, 2, 3}) {
      INFO("stage " << zero);
      const auto late = std::make_shared<LateMachine>(pace);
      const auto all = on_ranks<Results>(3, [&](Communicator& comm) {
        TinyOptions mine = o;
        mine.ranks = &comm;
        mine.zero = zero;
        const auto device = late_simt_device(late);
        return results_of(data, mine, *device);
      });
      for (const auto& rank : all) {
        CHECK(rank.loss == want.loss);
        CHECK(rank.digest == want.digest);
      }
      CHECK((all[0].saved == want.saved));
    }
}
