// A state that ranks share, as one file for a loop of one's own.
#include "gigatrain/train/state_file.h"

#include <catch2/catch.hpp>

#include <fmt/format.h>

#include <fstream>

#include "collectives/ranks.h"
#include "gigatrain/optim/clip.h"
#include "gigatrain/parallel/data_parallel.h"
#include "gigatrain/train/safetensors.h"
#include "support/tiny_run.h"

using namespace gigatrain;
using namespace gigatrain::test;
using Catch::Matchers::Contains;

namespace {

struct Place {
  int ranks = 1, zero = 0;
};

TinyOptions options_of(const std::string& optimizer) {
  return {.compute = DType::bf16,
          .batch = {.leaves = 4, .micro_batches = 1, .micro_batch = 1, .seq_len = 8},
          .optimizer = {.name = optimizer, .ema = 0.9f, .seed = 5},
          .steps = 6};
}

// What body(run) returns, on all ranks alike.
std::string on(Place place, TinyOptions o, const std::string& shard,
               const std::function<std::string(TinyRun&)>& body) {
  o.zero = place.zero;
  const auto all = on_ranks<std::string>(place.ranks, [&](Communicator& comm) {
    TinyOptions mine = o;
    mine.ranks = &comm;
    TinyRun run(shard, mine);
    return body(run);
  });
  for (const auto& one : all)
    if (one != all.front()) return "ranks differ: " + one + " and " + all.front();
  return all.front();
}

std::string hex(std::uint64_t digest) {
  return fmt::format("{:016x}", digest);
}

}  // namespace

TEST_CASE("a state goes from any ranks to any others", "[unit][train][threads][bits]") {
  const TempFolder folder;
  const std::string shard = folder / "train.bin", path = folder / "state.safetensors";
  write_shard(shard, 3000, 37);
  const std::string optimizer = GENERATE("adamw", "muon", "adamw8bit");
  const TinyOptions o = options_of(optimizer);
  const Place from = GENERATE(Place{1, 0}, Place{2, 3}, Place{3, 1});
  INFO(fmt::format("{} from {} ranks, stage {}", optimizer, from.ranks, from.zero));
  TinyRun whole(shard, o);
  const std::string expected = hex(whole.digest_after(4));
  on(from, o, shard, [&](TinyRun& run) {
    run.losses_to(2);
    save_state(path, *run.model, *run.optimizer, {.step = 2, .ranks = run.ranks});
    return std::string();
  });
  for (const Place to : {Place{1, 0}, Place{2, 0}, Place{2, 2}, Place{4, 3}}) {
    INFO(fmt::format("to {} ranks, stage {}", to.ranks, to.zero));
    CHECK(on(to, o, shard, [&](TinyRun& run) {
            run.losses_to(1);  // another state, with whole weights under way
            run.trainer->resume_at(load_state(path, *run.model, *run.optimizer, run.ranks), 0);
            return hex(run.digest_after(4));
          }) == expected);
  }
  TinyRun alone(shard, o);
  CHECK(load_state(path, *alone.model, *alone.optimizer) == 2);
  alone.trainer->resume_at(2, 0);
  CHECK(hex(alone.digest_after(4)) == expected);
}

TEST_CASE("the same state is the same file, whoever writes it", "[unit][train][threads][bits]") {
  const TempFolder folder;
  const std::string shard = folder / "train.bin";
  write_shard(shard, 3000, 37);
  const auto file_of = [&](Place place) {
    const std::string path = folder / fmt::format("{}_{}", place.ranks, place.zero);
    on(place, options_of("adamw"), shard, [&](TinyRun& run) {
      run.losses_to(1);
      save_state(path, *run.model, *run.optimizer, {.step = 1, .ranks = run.ranks});
      return std::string();
    });
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const std::string one = file_of({1, 0});
  CHECK(one.size() > 10'000);
  CHECK((file_of({3, 2}) == one));
}

TEST_CASE("a state of something else is refused before anything is written", "[unit][train]") {
  const TempFolder folder;
  const std::string shard = folder / "train.bin", path = folder / "state.safetensors";
  write_shard(shard, 3000, 37);
  const auto load_into = [&](const TinyOptions& o) {
    TinyRun run(shard, o);
    const std::uint64_t before = run.digest();
    const std::string error = error_of([&] { load_state(path, *run.model, *run.optimizer); });
    CHECK(run.digest() == before);
    return error;
  };
  const TinyOptions o;
  TinyRun run(shard, o);
  save_state(path, *run.model, *run.optimizer);
  TinyOptions wide = o, sgd = o;
  wide.n_embd = 64;
  sgd.optimizer.name = "sgd";
  CHECK_THAT(load_into(wide), Contains("another model or optimizer: 'transformer.h.0"));
  CHECK_THAT(load_into(sgd), Contains("state of another model or optimizer"));
  write_safetensors(path, {});
  CHECK_THAT(load_into(o), Contains("another model or optimizer"));
}

TEST_CASE("a state that is damaged is refused", "[unit][train]") {
  const TempFolder folder;
  const std::string shard = folder / "train.bin", path = folder / "state.safetensors";
  write_shard(shard, 3000, 37);
  TinyRun run(shard, {});
  save_state(path, *run.model, *run.optimizer, {.step = 3});
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(-1, std::ios::end);
  file.put('\x7f');
  file.close();
  CHECK_THROWS_WITH(load_state(path, *run.model, *run.optimizer),
                    Contains("the loaded state has digest"));
}

TEST_CASE("sharing a model says what it cannot do", "[unit][parallel][errors]") {
  Device device({.threads = 1});
  const auto alone = make_local_communicator();
  const auto model =
      nn::gpt({.vocab_size = 37, .n_positions = 8, .n_layer = 1, .n_head = 2, .n_embd = 16});
  nn::materialize(*model, device);
  const auto parameters = nn::trainable_parameters(*model);
  const auto early = optim::make_optimizer("adamw", parameters);
  const std::vector<std::int32_t> ids{1, 2, 3, 4};
  const auto tokens = Tensor::from<std::int32_t>(device, {1, 4}, ids);
  nn::BatchContext context;
  {
    parallel::DataParallel shared(*model, device, *alone, {.zero = 1});
    shared.begin_step();
    shared.begin_leaf(shared.turns().front());
    backward(model->loss(tokens, tokens, 1.0, context));
    shared.end_leaf();
    shared.finish();
    CHECK_THROWS_WITH(shared.step(*early, {.lr = 1e-3f}), Contains("was made before"));
    CHECK_THROWS_WITH(optim::clip_scale(parameters, 1.0f),
                      Contains("is shared, and this is a part"));
  }
  CHECK_THROWS_WITH(model->loss(tokens, tokens, 1.0, context), Contains("and they have gone"));
}
