// Models of one's own: heads, layers put together at run time, frozen parameters, under the
// Trainer.

#include "gigatrain/nn/heads.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "gigatrain/base/error.h"
#include "gigatrain/nn/models/gpt.h"
#include "gigatrain/nn/sequential.h"
#include "gigatrain/nn/transformer.h"
#include "gigatrain/optim/adamw.h"
#include "gigatrain/parallel/gradient_tree.h"
#include "gigatrain/train/array_source.h"
#include "gigatrain/train/evaluate.h"
#include "gigatrain/train/state_digest.h"
#include "gigatrain/train/trainer.h"
#include "support/random.h"

using namespace gigatrain;
using namespace gigatrain::nn;
using Catch::Matchers::Contains;

namespace {

constexpr std::int64_t kSamples = 60, kFeatures = 8;

std::vector<float> points() {
  const auto u = test::random_values(kSamples * kFeatures, "points");
  return {u.begin(), u.end()};
}

// Class: the sign of the first feature's product with the second: not linear.
ArraySource quadrants(std::int64_t batch) {
  const auto x = points();
  std::vector<std::int32_t> label;
  for (std::size_t i = 0; i < kSamples; ++i)
    label.push_back(x[i * kFeatures] * x[i * kFeatures + 1] > 0 ? 1 : 0);
  return ArraySource({array("x", {kSamples, kFeatures}, x), array("label", {kSamples}, label)},
                     {.global_batch = batch, .seed = 2});
}

std::shared_ptr<Layer> mlp() {
  return std::make_shared<Sequential>(std::vector<std::shared_ptr<Layer>>{
      std::make_shared<Linear>(Linear::Options{.in = kFeatures, .out = 32, .init_std = 0.4f}),
      std::make_shared<Silu>(),
      std::make_shared<Linear>(Linear::Options{.in = 32, .out = 16, .init_std = 0.3f}),
      std::make_shared<Tanh>()});
}

std::unique_ptr<Trainer> trainer(Model& model, optim::Optimizer& optimizer, const BatchSource& data,
                                 const BatchShape& batch, std::int64_t steps) {
  return std::make_unique<Trainer>(
      model, optimizer, data,
      TrainerOptions{.batch = batch, .steps = steps, .schedule = {.lr = 1e-2f}});
}

}  // namespace

TEST_CASE("a classifier of a table learns under the Trainer", "[unit][nn][heads]") {
  Device device(CpuOptions{.threads = 2});
  ClassificationHead model(mlp(), {.channels = 16, .classes = 2, .init_std = 0.2f});
  materialize(model, device);
  optim::AdamW adamw(trainable_parameters(model));
  const ArraySource data = quadrants(20);
  const double before = evaluate(model, device, data, 7).loss;
  const auto t =
      trainer(model, adamw, data, {.leaves = 2, .micro_batches = 2, .micro_batch = 5}, 150);
  t->fit();
  const Evaluation after = evaluate(model, device, data, 7);
  CHECK(after.terms == kSamples);
  CHECK(after.samples == kSamples);
  CHECK(after.loss < 0.3 * before);
  CHECK(accuracy(model, device, data, {.micro_batch = 16}) > 0.9);
  const StepReport last = [&] {
    const auto again = trainer(model, adamw, data, {.micro_batch = 20}, 1);
    return again->step();
  }();
  CHECK((last.samples == 20 && last.terms == 20 && last.tokens == 20));
}

TEST_CASE("the classifier's loss is the mean cross-entropy of its logits", "[unit][nn][heads]") {
  Device device(CpuOptions{.threads = 1});
  ClassificationHead model(mlp(), {.channels = 16, .classes = 3});
  materialize(model, device);
  const auto x = points();
  const Batch batch{
      {"x", Tensor::from<float>(device, {4, kFeatures}, std::span(x).first(4 * kFeatures))},
      {"label", Tensor::from<std::int32_t>(device, {4}, std::vector<std::int32_t>{2, 0, -1, 1})}};
  BatchContext context;
  const auto logits = model.predict(batch, context).to_vector<double>();
  double want = 0;
  const int labels[] = {2, 0, -1, 1};
  for (std::size_t i = 0; i < 4; ++i) {
    if (labels[i] < 0) continue;
    double sum = 0;
    for (std::size_t c = 0; c < 3; ++c) sum += std::exp(logits[3 * i + c]);
    want += std::log(sum) - logits[3 * i + static_cast<std::size_t>(labels[i])];
  }
  CHECK(model.loss(batch, 0.5, context).item() == Approx(0.5 * want).epsilon(1e-5));
}

TEST_CASE("one digest of a classifier for any split of the batch over leaves",
          "[unit][nn][heads][bits]") {
  const auto digest = [](LeafOrder order) {
    Device device(CpuOptions{.threads = 2});
    ClassificationHead model(mlp(), {.channels = 16, .classes = 2});
    materialize(model, device);
    optim::AdamW adamw(trainable_parameters(model));
    const ArraySource data = quadrants(16);
    Trainer t(model, adamw, data,
              {.batch = {.leaves = 4, .micro_batches = 2, .micro_batch = 2},
               .steps = 3,
               .leaf_order = order});
    t.fit();
    return state_digest(t.parameters(), &adamw).value;
  };
  CHECK(digest({}) == digest({.blocks = 2, .strided = true}));
}

TEST_CASE("a regressor learns, with squares, the Huber loss, or one's own", "[unit][nn][heads]") {
  const auto x = points();
  std::vector<float> y;
  for (std::size_t i = 0; i < kSamples; ++i)
    y.push_back(2.0f * x[i * kFeatures] - x[i * kFeatures + 3] + 0.5f);
  const ArraySource data({array("x", {kSamples, kFeatures}, x), array("target", {kSamples}, y)},
                         {.global_batch = 20});
  Device device(CpuOptions{.threads = 2});
  const RegressionHead::Loss cosh = [](const Tensor& p, const Tensor& t, double scale) {
    const Tensor d = ops::sub(p, t);
    return ops::scale(ops::sum(ops::log(ops::add(ops::exp(d), ops::exp(ops::scale(d, -1.0))))),
                      scale);
  };
  const RegressionHead::Options squares{.channels = 16}, huber{.channels = 16, .huber_delta = 0.5f},
      own{.channels = 16, .loss = cosh};
  for (const auto& options : {squares, huber, own}) {
    RegressionHead model(mlp(), options);
    materialize(model, device);
    optim::AdamW adamw(trainable_parameters(model));
    trainer(model, adamw, data, {.micro_batch = 20}, 150)->fit();
    double worst = 0;
    evaluate(model, device, data,
             {.micro_batch = 7, .on_batch = [&](const Batch& batch, const Tensor& p) {
                const auto got = p.to_vector<double>(),
                           want = batch.at("target").to_vector<double>();
                for (std::size_t i = 0; i < got.size(); ++i)
                  worst = std::max(worst, std::abs(got[i] - want[i]));
              }});
    CHECK(worst < 0.4);
  }
}

TEST_CASE("data that a model cannot learn from are refused before a step",
          "[unit][nn][heads][errors]") {
  Device device(CpuOptions{.threads = 1});
  ClassificationHead model(mlp(), {.channels = 16, .classes = 2});
  materialize(model, device);
  optim::AdamW adamw(trainable_parameters(model));
  const std::vector<float> x(4 * kFeatures);
  const auto train = [&](std::vector<NamedArray> arrays) {
    const ArraySource data(std::move(arrays), {.global_batch = 4});
    trainer(model, adamw, data, {.micro_batch = 4}, 1)->step();
  };
  const auto inputs = array("x", {4, kFeatures}, x);
  CHECK_THROWS_WITH(train({inputs}), Contains("needs a field 'label'; the data have: x"));
  CHECK_THROWS_WITH(train({array("label", {4}, std::vector<std::int32_t>(4))}),
                    Contains("needs a field 'x'"));
  CHECK_THROWS_WITH(train({inputs, array("label", {4}, std::vector<std::int64_t>(4))}),
                    Contains("'label' must be i32, got i64"));
  CHECK_THROWS_WITH(train({inputs, array("label", {4}, std::vector<std::int32_t>{0, 1, 2, 0})}),
                    Contains("'label' must be in [-1, 2), got 2 in sample"));
  const ArraySource data = quadrants(8);
  CHECK_THROWS_WITH(trainer(model, adamw, data, {.micro_batch = 4}, 1), Contains("global batch 8"));
}

TEST_CASE("frozen parameters keep their values and get no gradient", "[unit][nn][frozen]") {
  Device device(CpuOptions{.threads = 2});
  ClassificationHead model(mlp(), {.channels = 16, .classes = 2});
  materialize(model, device);
  const auto all = named_parameters(model);
  CHECK_THROWS_WITH(
      [&] {
        all[2]->set_requires_grad(false);
        optim::AdamW refused(all);
      }(),
      Contains(all[2]->name()) && Contains("does not require gradients"));
  all[3]->set_requires_grad(false);
  CHECK(trainable_parameters(model).size() == all.size() - 2);
  std::vector<std::vector<float>> before;
  for (const auto* p : all) before.push_back(p->value().to_vector<float>());
  optim::AdamW adamw(trainable_parameters(model));
  const ArraySource data = quadrants(20);
  trainer(model, adamw, data, {.micro_batch = 20}, 2)->fit();
  for (std::size_t i = 0; i < all.size(); ++i) {
    INFO(all[i]->name());
    CHECK((all[i]->value().to_vector<float>() == before[i]) == !all[i]->requires_grad());
    CHECK(static_cast<bool>(all[i]->grad) == all[i]->requires_grad());
  }
}

TEST_CASE("any one parameter of GPT can be frozen; the others get the same gradient",
          "[unit][nn][frozen]") {
  Device device(CpuOptions{.threads = 2});
  const auto model = gpt(
      {.vocab_size = 11, .n_positions = 6, .n_layer = 1, .n_head = 2, .n_embd = 8, .tie = false});
  materialize(*model, device);
  const auto all = named_parameters(*model);
  const std::vector<std::int32_t> ids{1, 2, 3, 4, 5, 6};
  const Tensor tokens = Tensor::from<std::int32_t>(device, {1, 6}, ids);
  const auto gradients = [&] {
    BatchContext context{.training = true};
    backward(model->loss(Batch{{"tokens", tokens}, {"targets", tokens}}, 1.0, context));
    parallel::collect_gradients(trainable_parameters(*model));
    std::vector<std::vector<float>> g;
    for (auto* p : all) {
      g.push_back(p->grad ? p->grad.to_vector<float>() : std::vector<float>{});
      p->grad = {};
    }
    return g;
  };
  const auto want = gradients();
  for (std::size_t frozen = 0; frozen < all.size(); ++frozen) {
    INFO(all[frozen]->name());
    all[frozen]->set_requires_grad(false);
    const auto got = gradients();
    all[frozen]->set_requires_grad(true);
    for (std::size_t i = 0; i < all.size(); ++i)
      CHECK(got[i] == (i == frozen ? std::vector<float>{} : want[i]));
  }
}

TEST_CASE("children added at run time have names, parameters and can be replaced",
          "[unit][nn][layers]") {
  Sequential chain;
  chain.append(std::make_shared<Linear>(Linear::Options{.in = 2, .out = 3}))
      .append(std::make_shared<Gelu>());
  assign_names(chain, "net");
  CHECK(chain.children()[0].second->parameters()[0].second->name() == "net.0.weight");
  chain.replace("1", std::make_shared<Tanh>());
  CHECK_THROWS_WITH(chain.replace("2", std::make_shared<Tanh>()), Contains("children: 0, 1"));
  CHECK_THROWS_WITH(chain.add_child("0", std::make_shared<Tanh>()), Contains("already has"));
  CHECK_THROWS_WITH(chain.add_child("a.b", std::make_shared<Tanh>()), Contains("without dots"));
  CHECK_THROWS_WITH(chain.add_child("a", nullptr), Contains("needs a layer"));
}

TEST_CASE("batch: names, samples, slices", "[unit][nn][batch]") {
  Device device(CpuOptions{.threads = 1});
  const std::vector<float> values{0, 1, 2, 3, 4, 5};
  const Tensor x = Tensor::from<float>(device, {3, 2}, values);
  Batch batch{{"x", x}};
  CHECK(batch.samples() == 3);
  CHECK(batch.slice(1, 3).at("x").to_vector<float>() == std::vector<float>{2, 3, 4, 5});
  CHECK_THROWS_WITH(batch.at("y"), Contains("no field 'y'; its fields: x"));
  CHECK_THROWS_WITH(batch.add("x", x), Contains("there already"));
  CHECK_THROWS_WITH(batch.add("z", Tensor::full(device, {2}, 0.0)),
                    Contains("must have 3 samples"));
  CHECK_THROWS_WITH(batch.add("z", Tensor::full(device, {}, 0.0)), Contains("dim 0"));
}

TEST_CASE("a transformer block of one's own: dropout by sample, causal or not",
          "[unit][nn][transformer]") {
  Device device(CpuOptions{.threads = 2});
  const auto u = test::random_values(2 * 4 * 8, "x");
  const Tensor x = Tensor::from<float>(device, {2, 4, 8}, std::vector<float>(u.begin(), u.end()));
  const auto last_changes_first = [&](bool causal) {
    TransformerBlock block(
        {.attention = {.channels = 8, .heads = 2, .causal = causal, .init_std = 0.3f}});
    assign_names(block);
    materialize(block, device);
    BatchContext context;
    const auto before = block(x, context).to_vector<float>();
    Tensor y = Tensor::from<float>(device, {2, 4, 8}, std::vector<float>(u.begin(), u.end()));
    y.view().as<float>()[3 * 8] += 1.0f;  // the last position of the first sample
    const auto after = block(y, context).to_vector<float>();
    return std::vector<float>(before.begin(), before.begin() + 8) !=
           std::vector<float>(after.begin(), after.begin() + 8);
  };
  CHECK(last_changes_first(false));
  CHECK_FALSE(last_changes_first(true));
  TransformerBlock block({.attention = {.channels = 8, .heads = 2}, .dropout = 0.5f});
  assign_names(block, "block");
  materialize(block, device);
  BatchContext whole{.training = true, .seed = 1}, second{.training = true, .seed = 1};
  second.first_sample = 1;
  const auto both = block(x, whole).to_vector<float>();
  const auto alone = block(ops::slice(x, 0, 1, 2), second).to_vector<float>();
  CHECK(std::vector<float>(both.begin() + 32, both.end()) == alone);
  CHECK_THROWS_WITH(MultiHeadAttention({.channels = 9, .heads = 2}), Contains("9, 2 and 2"));
}

TEST_CASE("a dropout layer: only while training, by sample", "[unit][nn][layers]") {
  Device device(CpuOptions{.threads = 1});
  Dropout dropout(0.5f);
  assign_names(dropout, "drop");
  const Tensor x = Tensor::full(device, {4, 3, 16}, 1.0);
  BatchContext off, on{.training = true, .seed = 1}, third{.training = true, .seed = 1};
  CHECK(dropout(x, off).same_storage(x));
  const auto y = dropout(x, on).to_vector<float>();
  third.first_sample = 2;
  const auto part = dropout(ops::slice(x, 0, 2, 4), third).to_vector<float>();
  CHECK(std::vector<float>(y.begin() + 2 * 48, y.end()) == part);
  CHECK(std::count(y.begin(), y.end(), 0.0f) + std::count(y.begin(), y.end(), 2.0f) == 4 * 48);
  CHECK_THROWS_WITH(Dropout(1.0f), Contains("[0, 1)"));
}
