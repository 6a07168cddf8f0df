// The promise: one state digest, whatever the threads, the dealing of leaves, the vector code and
// the restarts.

#include "gigatrain/train/trainer.h"

#include <catch2/catch.hpp>

#include "gigatrain/base/error.h"
#include "gigatrain/optim/adamw.h"
#include "gigatrain/parallel/gradient_tree.h"
#include "gigatrain/train/checkpoint_files.h"
#include "gigatrain/train/evaluate.h"
#include "gigatrain/train/generate.h"
#include "kernels/elementwise.h"
#include "support/save_run.h"
#include "support/tiny_run.h"
#include "train/run_state.h"

using namespace gigatrain;
using test::TinyOptions;
using test::TinyRun;

namespace {

struct TestData {
  test::TempFolder folder;
  std::string path = folder / "train.bin";
  TestData() { test::write_shard(path, 4000, TinyRun::kVocab); }
};

std::uint64_t run(const TestData& shard, const TinyOptions& options,
                  std::int64_t steps = TinyRun::kSteps) {
  return TinyRun(shard.path, options).digest_after(steps);
}

// The same, killed after step `at` and continued from its checkpoint by one thread.
std::uint64_t run_cut_at(const TestData& shard, TinyOptions options, std::int64_t at) {
  test::TempFolder folder;
  std::string saved;
  {
    TinyRun first(shard.path, options);
    first.digest_after(at);
    TrainState state;
    state.step = at;
    state.tokens = first.trainer->tokens_done();
    saved = test::save_run(folder / "ckpt", *first.model, *first.optimizer, state);
  }
  options.threads = 1;
  TinyRun second(shard.path, options);
  const Checkpoint checkpoint = Checkpoint::open(saved);
  restore(checkpoint, *second.model, *second.optimizer);
  second.trainer->resume_at(checkpoint.state().step, checkpoint.state().tokens);
  return second.digest_after(TinyRun::kSteps);
}

const TinyOptions kPrecisions[] = {{},
                                   {.compute = DType::bf16},
                                   {.compute = DType::bf16, .params = DType::bf16},
                                   {.llama = true},
                                   {.compute = DType::bf16, .params = DType::bf16, .llama = true},
                                   {.compute = DType::f16}};

}  // namespace

TEST_CASE("one digest for any number of threads", "[unit][train][bits]") {
  const TestData shard;
  for (TinyOptions o : kPrecisions) {
    INFO((o.llama ? "llama, " : "gpt, ") << name(o.compute) << ", weights " << name(o.params));
    o.threads = 1;
    const auto expected = run(shard, o);
    for (const int threads : {2, 3}) {
      o.threads = threads;
      CHECK(run(shard, o) == expected);
    }
  }
}

TEST_CASE("one digest for every dealing of the leaves", "[unit][train][bits]") {
  const TestData shard;
  for (const bool llama : {false, true}) {
    const auto expected = run(shard, {.threads = 2, .llama = llama});
    for (const std::int64_t blocks : {2, 4, 8, 3})
      for (const bool strided : {false, true}) {
        INFO((llama ? "llama, " : "gpt, ") << blocks << (strided ? " strided" : " contiguous"));
        const LeafOrder order{.blocks = blocks, .strided = strided};
        CHECK(run(shard, {.threads = 2, .order = order, .llama = llama}) == expected);
      }
  }
}

TEST_CASE("one f32 digest for every class of vector code", "[unit][train][bits]") {
  const TestData shard;
  for (const bool llama : {false, true}) {
    const auto expected = run(shard, {.isa = Isa::base, .llama = llama}, 2);
    for (const Isa isa : {Isa::avx2, Isa::avx512})
      if (CpuFeatures::get().best >= isa)
        CHECK(run(shard, {.isa = isa, .llama = llama}, 2) == expected);
  }
}

TEST_CASE("a running sum in place of the tree gives another digest", "[unit][train][bits]") {
  // The same leaves, the same gradients, added one after the other: the test above would see it.
  const TestData shard;
  const TinyOptions options{.threads = 2};
  TinyRun tree(shard.path, options), running(shard.path, options);
  tree.trainer->step();

  BatchShape leaf = options.batch;
  GradientStep whole(*running.model, running.device, leaf, 5);
  whole.run(running.data, 0);  // fills every parameter's grad by the tree; now sum leaf by leaf
  const auto parameters = nn::named_parameters(*running.model);
  std::vector<std::vector<float>> by_tree;
  for (const auto* p : parameters) by_tree.push_back(p->grad.to_vector<float>());
  const auto batch = running.data.batch_at(0);
  const auto count = static_cast<std::size_t>(leaf.micro_batch * leaf.seq_len);
  const auto micro = static_cast<std::size_t>(leaf.leaves * leaf.micro_batches);
  for (std::size_t m = 0; m < micro; ++m) {  // one leaf buffer accumulates all: a running sum
    const auto part = [&](const std::vector<std::int32_t>& all) {
      return Tensor::from<std::int32_t>(running.device, {leaf.micro_batch, leaf.seq_len},
                                        std::span(all).subspan(m * count, count));
    };
    nn::BatchContext context{.training = true,
                             .seed = 5,
                             .step = 0,
                             .first_sample = static_cast<std::uint32_t>(m) *
                                             static_cast<std::uint32_t>(leaf.micro_batch)};
    backward(running.model->loss(part(batch.tokens), part(batch.targets),
                                 1.0 / static_cast<double>(leaf.tokens()), context));
  }
  parallel::collect_gradients(parameters);
  std::size_t different = 0;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto g = parameters[i]->grad.to_vector<float>();
    CHECK(test::relative_error({g.begin(), g.end()}, {by_tree[i].begin(), by_tree[i].end()}) <
          1e-4);
    different += g != by_tree[i];
  }
  CHECK(different > parameters.size() / 2);  // the same sum, other bits
}

TEST_CASE("save and resume at any step gives the same bits", "[unit][train][bits]") {
  const TestData shard;
  for (TinyOptions o : kPrecisions) {
    o.threads = 2;
    const auto expected = run(shard, o);
    for (std::int64_t at = 0; at < TinyRun::kSteps; ++at) {
      INFO((o.llama ? "llama" : "gpt")
           << " saved after step " << at << ", weights " << name(o.params));
      CHECK(run_cut_at(shard, o, at) == expected);
    }
  }
}

TEST_CASE("every optimizer learns, and its run resumes with the same bits", "[unit][train][bits]") {
  const TestData shard;
  for (const auto optimizer : optim::optimizer_names()) {
    INFO(optimizer);
    TinyOptions o{.compute = DType::bf16};
    o.optimizer.name = optimizer;
    o.optimizer.ema = 0.9f;
    o.lr = optimizer == "sgd" ? 0.1f : 3e-3f;
    TinyRun whole(shard.path, o);
    const auto losses = whole.losses_to(TinyRun::kSteps);
    CHECK(losses.back() < losses.front());
    CHECK(run_cut_at(shard, o, 3) == whole.digest());
  }
}

TEST_CASE("a checkpoint of another optimizer is refused", "[unit][train][errors]") {
  using Catch::Matchers::Contains;
  const TestData shard;
  test::TempFolder folder;
  TinyRun adamw(shard.path, {});
  const auto saved = test::save_run(folder / "ckpt", *adamw.model, *adamw.optimizer);
  TinyRun sgd(shard.path, {.optimizer = {.name = "sgd"}});
  CHECK_THROWS_WITH(restore(Checkpoint::open(saved), *sgd.model, *sgd.optimizer),
                    Contains("another model or optimizer") && Contains("momentum_buffer"));
  TinyRun plain(shard.path, {.optimizer = {.name = "sgd", .momentum = 0.0f}});
  CHECK_THROWS_WITH(restore(Checkpoint::open(saved), *plain.model, *plain.optimizer),
                    Contains("a checkpoint of another optimizer") && Contains("'sgd' here 0"));
}

TEST_CASE("frozen parameters stay, the others train", "[unit][train]") {
  const TestData shard;
  TinyRun tiny(shard.path, {});
  for (auto* p : nn::named_parameters(*tiny.model))
    p->set_requires_grad(p->name().find(".attn.") != std::string::npos);
  const auto trained = nn::trainable_parameters(*tiny.model);
  CHECK(trained.size() == 2 * 4);  // of two layers: weight and bias of c_attn and c_proj
  const auto optimizer = optim::make_optimizer(trained, {});
  Trainer trainer(*tiny.model, *optimizer, tiny.data,
                  {.batch = TinyOptions{}.batch, .steps = 2, .schedule = {.lr = 0.01f}});
  const auto before = state_digest(nn::named_parameters(*tiny.model), nullptr).tensors;
  trainer.fit();
  const auto after = state_digest(nn::named_parameters(*tiny.model), nullptr).tensors;
  for (const auto* p : nn::named_parameters(*tiny.model)) {
    INFO(p->name());
    CHECK((before.at(p->name()) == after.at(p->name())) == !p->requires_grad());
  }
}

TEST_CASE("a checkpoint of another model is refused, and nothing is loaded",
          "[unit][train][errors]") {
  using Catch::Matchers::Contains;
  const TestData shard;
  test::TempFolder folder;
  TinyRun tiny(shard.path, {});
  const auto saved = test::save_run(folder / "ckpt", *tiny.model, *tiny.optimizer);
  const auto other = nn::gpt(
      {.vocab_size = TinyRun::kVocab, .n_positions = 12, .n_layer = 2, .n_head = 4, .n_embd = 32});
  nn::materialize(*other, tiny.device);
  optim::AdamW adamw(nn::named_parameters(*other));
  const auto before = state_digest(nn::named_parameters(*other), &adamw).value;
  CHECK_THROWS_WITH(
      restore(Checkpoint::open(saved), *other, adamw),
      Contains("another model") && Contains("c_attn.bias") && Contains("(96)") && Contains("(64)"));
  CHECK(state_digest(nn::named_parameters(*other), &adamw).value == before);
}

TEST_CASE("training learns, evaluation agrees, generation is pure", "[unit][train]") {
  const TestData shard;
  TinyRun tiny(shard.path, {.threads = 2, .dropout = 0.0f});
  const double before = evaluate(*tiny.model, tiny.device, tiny.data, 7).loss;
  CHECK(before == Approx(std::log(37.0)).epsilon(0.05));
  std::vector<double> losses;
  tiny.trainer->on_step([&](const StepReport& r) { losses.push_back(r.loss); });
  CHECK(tiny.trainer->fit() == StopReason::finished);
  CHECK(losses.size() == TinyRun::kSteps);
  const Evaluation after = evaluate(*tiny.model, tiny.device, tiny.data, 7);
  CHECK(after.loss < before - 0.05);
  CHECK(after.terms == 3999);
  CHECK(evaluate(*tiny.model, tiny.device, tiny.data, 3).loss == Approx(after.loss).epsilon(1e-6));
  const GenerateOptions o{
      .max_tokens = 40, .temperature = 1.0, .top_k = 10, .top_p = 0.9, .seed = 4};
  const auto text = generate(*tiny.model, tiny.device, {1, 2, 3}, o);
  CHECK(text.size() == 40);  // past the context of 12: the window slides
  CHECK(generate(*tiny.model, tiny.device, {1, 2, 3}, o) == text);
  CHECK_THROWS_AS(generate(*tiny.model, tiny.device, {}, o), Error);
  CHECK_THROWS_AS(generate(*tiny.model, tiny.device, {99}, o), Error);
}

TEST_CASE("fit stops when asked and when the time is up", "[unit][train]") {
  const TestData shard;
  TinyRun tiny(shard.path, {});
  tiny.trainer->stop_when([&] { return tiny.trainer->steps_done() == 2; });
  CHECK(tiny.trainer->fit() == StopReason::requested);
  CHECK(tiny.trainer->steps_done() == 2);
}

TEST_CASE("a loss that is not finite stops the run before the weights change",
          "[unit][train][errors]") {
  const TestData shard;
  TinyRun tiny(shard.path, {});
  Parameter* weight = nn::named_parameters(*tiny.model).front();
  weight->value().view().as<float>()[0] = NAN;
  weight->changed();
  const auto before = tiny.digest();
  CHECK_THROWS_WITH(tiny.trainer->step(), Catch::Matchers::Contains("step 1: the loss is nan"));
  CHECK(tiny.digest() == before);
}

TEST_CASE("a steady step allocates nothing from the system", "[unit][train]") {
  const TestData shard;
  TinyRun tiny(shard.path, {});
  tiny.trainer->step();
  tiny.trainer->step();
  const auto before = tiny.device.allocator().stats().system_allocations;
  for (int i = 0; i < 3; ++i) tiny.trainer->step();
  CHECK(tiny.device.allocator().stats().system_allocations == before);
}

TEST_CASE("a step tells the source which samples come next", "[unit][train]") {
  class Hinted : public TokenSource {
   public:
    using TokenSource::TokenSource;
    void will_need(std::int64_t step, std::int64_t first, std::int64_t count) const override {
      hints.push_back({step, first, count});
    }
    mutable std::vector<std::array<std::int64_t, 3>> hints;
  };
  const TestData shard;
  const BatchShape batch{.leaves = 2, .micro_batches = 1, .micro_batch = 2, .seq_len = 12};
  TinyRun run(shard.path, {.batch = batch});
  const Hinted source({shard.path}, {.seq_len = 12, .global_batch = 4, .seed = 5});
  Trainer trainer(*run.model, *run.optimizer, source, {.batch = batch, .steps = 3, .seed = 5});
  trainer.step();
  trainer.step();
  CHECK(source.hints == std::vector<std::array<std::int64_t, 3>>{{1, 0, 4}, {2, 0, 4}});
}
