// One state digest a step for any number of ranks and any stage of ZeRO.
#include "gigatrain/parallel/data_parallel.h"

#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "collectives/ranks.h"
#include "gigatrain/optim/ema.h"
#include "support/tiny_run.h"

using namespace gigatrain;
using namespace gigatrain::test;
using Catch::Matchers::Contains;

namespace {

struct Data {
  TempFolder folder;
  std::string path = folder / "train.bin";
  Data() { write_shard(path, 3000, 259); }
};

// Large enough that each of 16 ranks owns something; dropout, clipping (norms are above 1 at
// first), leaves with unequal numbers of targets.
TinyOptions small_model(const std::string& optimizer = "adamw", bool llama = false) {
  return {.batch = {.leaves = 16, .micro_batches = 1, .micro_batch = 1, .seq_len = 8},
          .llama = llama,
          .optimizer = {.name = optimizer, .seed = 5},
          .steps = 20,
          .n_embd = 64,
          .vocab = 259,
          .unequal = true};
}

std::string run_of(const std::string& shard, const TinyOptions& o, std::int64_t steps) {
  TinyRun run(shard, o);
  std::string digests;
  for (std::int64_t step = 1; step <= steps; ++step)
    digests += fmt::format("{:016x} ", run.digest_after(step));
  return digests;
}

// The digests of all steps, which the ranks agree on.
std::string on(int ranks, int zero, const std::string& shard, TinyOptions o, std::int64_t steps) {
  o.zero = zero;
  const auto all = on_ranks<std::string>(ranks, [&](Communicator& comm) {
    TinyOptions mine = o;
    mine.ranks = &comm;
    return run_of(shard, mine, steps);
  });
  for (const auto& one : all)
    if (one != all.front()) return "ranks differ: " + one + "and " + all.front();
  return all.front();
}

void check(const std::string& shard, const TinyOptions& o, std::int64_t steps,
           const std::vector<int>& ranks, const std::vector<int>& stages) {
  const std::string expected = run_of(shard, o, steps);
  for (const int count : ranks)
    for (const int zero : stages) {
      INFO(fmt::format("{}, {}, {}, weights {}, V {}, A {}, {} ranks, stage {}",
                       o.llama ? "llama" : "gpt", o.optimizer.name, name(o.compute), name(o.params),
                       o.batch.leaves, o.batch.micro_batches, count, zero));
      CHECK(on(count, zero, shard, o, steps) == expected);
    }
}

}  // namespace

TEST_CASE("ranks share a step", "[unit][parallel][threads][bits]") {
  const Data data;
  for (const bool llama : {false, true})
    check(data.path, small_model("adamw", llama), 2, {2, 3}, {0, 1, 2, 3});
}

TEST_CASE("one digest on any number of ranks, at any stage", "[ranks][parallel][bits]") {
  const Data data;
  for (const bool llama : {false, true})
    check(data.path, small_model("adamw", llama), 3, {1, 4, 5, 16}, {0, 1, 2, 3});
}

TEST_CASE("one digest for every optimizer", "[ranks][parallel][bits]") {
  const Data data;
  for (const char* name : {"sgd", "lion", "muon", "adafactor", "adamw8bit"}) {
    TinyOptions o = small_model(name, std::string(name) == "lion");
    o.compute = std::string(name) == "sgd" ? DType::f32 : DType::bf16;
    check(data.path, o, 3, {3, 8}, {1, 3});
  }
}

TEST_CASE("one digest for every dtype, with several micro-batches and an average",
          "[ranks][parallel][bits]") {
  const Data data;
  TinyOptions o = small_model();
  o.batch.micro_batches = 3;
  o.optimizer.ema = 0.9f;
  o.compute = DType::bf16;
  for (const DType params : {DType::f32, DType::bf16}) {
    o.params = params;
    check(data.path, o, 3, {2, 5}, {0, 2, 3});
  }
  o.compute = o.params = DType::f32;
  o.batch.leaves = 32;
  check(data.path, o, 2, {16}, {1, 2});
}

TEST_CASE("one digest while the batch grows", "[ranks][parallel][bits][ramp]") {
  const Data data;
  for (const bool llama : {false, true}) {
    TinyOptions o = small_model("adamw", llama);
    o.batch.ramp = {{0, 4}, {1, 8}, {3, 16}, {4, 8}};
    check(data.path, o, 5, {1, 2, 3, 4}, {0, 1, 2, 3});
  }
  TinyOptions o = small_model("muon");
  o.batch.ramp = {{0, 4}, {1, 16}};
  o.batch.micro_batches = 3;
  o.ranks_per_node = 2;
  check(data.path, o, 3, {4}, {0, 2});
}

TEST_CASE("many small buckets, and nodes", "[ranks][parallel][bits]") {
  const Data data;
  TinyOptions o = small_model("muon");
  o.bucket_bytes = 40'000;
  for (const int per_node : {1, 2, 4}) {
    o.ranks_per_node = per_node;
    check(data.path, o, 2, {4, 8}, {0, 1, 2, 3});
  }
}

TEST_CASE("every rank owns something, and the parts are the whole", "[unit][parallel][threads]") {
  const Data data;
  TinyOptions o = small_model("adamw");
  o.zero = 3;
  const auto owned = on_ranks<std::int64_t>(16, [&](Communicator& comm) {
    TinyOptions mine = o;
    mine.ranks = &comm;
    TinyRun run(data.path, mine);
    std::int64_t elements = 0;
    for (const auto* p : run.trainer->parameters()) elements += p->own_value().numel();
    return elements;
  });
  Device device({.threads = 1, .dry = true});
  TinyRun whole(data.path, small_model(), device);
  std::int64_t all = 0, parts = 0;
  for (const auto* p : whole.trainer->parameters()) all += p->shape().numel();
  for (const std::int64_t part : owned) {
    CHECK(part > 0);
    parts += part;
  }
  CHECK(parts == all);
}

TEST_CASE("data parallelism refuses what it cannot do", "[unit][parallel][errors]") {
  const Data data;
  const auto alone = make_local_communicator();
  Device device({.threads = 1});
  const auto model =
      nn::gpt({.vocab_size = 37, .n_positions = 8, .n_layer = 1, .n_head = 2, .n_embd = 16});
  using parallel::DataParallel;
  CHECK_THROWS_WITH(DataParallel(*model, device, *alone, {}), Contains("has no memory yet"));
  nn::materialize(*model, device);
  CHECK_THROWS_WITH(DataParallel(*model, device, *alone, {.zero = 4}),
                    Contains("stages 0 to 3, got 4"));
  CHECK_THROWS_WITH(DataParallel(*model, device, *alone, {.leaves = 3}),
                    Contains("power of two, got 3"));
  {
    DataParallel shared(*model, device, *alone, {.zero = 3});
    CHECK_THROWS_WITH(DataParallel(*model, device, *alone, {}),
                      Contains("shared among ranks already"));
  }
  const nn::Batch batch = [&] {
    nn::Batch b;
    for (const char* field : {"tokens", "targets"})
      b.add(field, Tensor::full(device, {1, 8}, 1.0, DType::i32));
    return b;
  }();
  nn::BatchContext context;
  CHECK_THROWS_WITH(model->loss(batch, 1.0, context), Contains("and they have gone"));
  const auto early = errors_of(2, [&](Communicator& comm) {
    Device own({.threads = 1});
    const auto late =
        nn::gpt({.vocab_size = 259, .n_positions = 8, .n_layer = 1, .n_head = 2, .n_embd = 64});
    nn::materialize(*late, own);
    const auto adamw = optim::make_optimizer("adamw", nn::trainable_parameters(*late));
    DataParallel dp(*late, own, comm, {.leaves = 2, .zero = 1});
    for (auto* p : dp.parameters()) p->grad = Tensor::full(own, p->own_value().shape(), 0.0);
    dp.step(*adamw, {.step = 1, .lr = 1e-3f});
  });
  CHECK_THAT(early[0], Contains("the optimizer was made before"));
  const auto errors = errors_of(2, [&](Communicator& comm) {
    TinyOptions o = small_model("muon");
    o.ranks = &comm;
    o.zero = 1;
    o.optimizer.name = "adamw";  // so that matrices are cut
    TinyRun run(data.path, o);
    optim::make_optimizer("muon", run.trainer->parameters());
  });
  CHECK_THAT(errors[0], Contains("muon updates whole tensors, here are"));
}

// The whole matrix, a column of digests for each model, dtype, optimizer, V and A.
namespace {

void check_matrix(std::int64_t leaves, bool llama) {
  const Data data;
  for (const std::int64_t micro_batches : {1, 3})
    for (const DType compute : {DType::f32, DType::bf16})
      for (const char* name : {"adamw", "muon", "adafactor"}) {
        TinyOptions o = small_model(name, llama);
        o.batch.leaves = leaves;
        o.batch.micro_batches = micro_batches;
        o.compute = compute;
        check(data.path, o, 20, {1, 2, 3, 4, 5, 8, 16}, {0, 1, 2, 3});
      }
}

}  // namespace

TEST_CASE("ranks x stages x dtypes x optimizers: GPT, 16 leaves", "[slow][parallel][bits]") {
  check_matrix(16, false);
}
TEST_CASE("ranks x stages x dtypes x optimizers: GPT, 32 leaves", "[slow][parallel][bits]") {
  check_matrix(32, false);
}
TEST_CASE("ranks x stages x dtypes x optimizers: Llama, 16 leaves", "[slow][parallel][bits]") {
  check_matrix(16, true);
}
TEST_CASE("ranks x stages x dtypes x optimizers: Llama, 32 leaves", "[slow][parallel][bits]") {
  check_matrix(32, true);
}

TEST_CASE("weights that leave are gathered before they are asked for, and none in vain",
          "[unit][parallel]") {
  Device device({.threads = 1});
  const auto alone = make_local_communicator();
  const auto model =
      nn::gpt({.vocab_size = 259, .n_positions = 8, .n_layer = 4, .n_head = 2, .n_embd = 64});
  nn::materialize(*model, device);
  parallel::DataParallel dp(*model, device, *alone,
                            {.leaves = 4, .zero = 3, .bucket_bytes = 40'000});
  const auto sgd = optim::make_optimizer("sgd", dp.parameters());
  nn::Batch batch;
  for (const char* field : {"tokens", "targets"})
    batch.add(field, Tensor::full(device, {1, 8}, 1.0, DType::i32));
  const auto gathers = [&] {
    const auto all = alone->log().records();
    return std::count_if(all.begin(), all.end(), [](const OperationRecord& r) {
      return r.group->ends_with("/weights") && r.what.operation == Collective::all_gather;
    });
  };
  std::vector<std::ptrdiff_t> leaf, update;
  const auto counted = [&](auto& to, auto f) {
    const auto before = gathers();
    f();
    to.push_back(gathers() - before);
  };
  for (std::int64_t step = 1; step <= 2; ++step) {
    dp.begin_step();
    for (const auto& turn : dp.turns())
      counted(leaf, [&] {
        nn::BatchContext context;
        dp.begin_leaf(turn);
        backward(model->loss(batch, 1.0, context));
        dp.end_leaf();
      });
    dp.finish();
    counted(update, [&] { dp.step(*sgd, {.step = step, .lr = 1e-3f}); });
  }
  const auto asked = leaf[0];        // each bucket as often as the passes come to it
  const auto ahead = update[0] - 1;  // but for the vectors', which stays
  CHECK(asked > 20);
  CHECK(ahead > 1);
  CHECK(leaf[1] <= asked + ahead);
  CHECK(leaf[2] < leaf[1]);  // what it begins with was there
  CHECK(leaf[3] < leaf[2]);  // no leaf comes after it
  CHECK(leaf[4] == leaf[2]);
  CHECK(leaf[7] == leaf[3]);
}
