// GPT-2 against `transformers`, and what a model promises: names, sizes, cache, dropout.

#include "gigatrain/nn/models/gpt.h"

#include <catch2/catch.hpp>

#include <set>

#include "gigatrain/base/error.h"
#include "gigatrain/parallel/gradient_tree.h"
#include "gigatrain/tensor/node.h"
#include "support/random.h"

using namespace gigatrain;
using namespace gigatrain::nn;

namespace {

GptConfig tiny() {
  return {
      .vocab_size = 31, .n_positions = 16, .n_layer = 2, .n_head = 4, .n_kv_head = 2, .n_embd = 24};
}

std::shared_ptr<LanguageModel> make(Device& device, const GptConfig& config,
                                    DType compute = DType::f32) {
  auto model = gpt(config);
  materialize(*model, device, {.compute = compute, .seed = 3});
  return model;
}

std::vector<double> gradients(LanguageModel& model, Device& device, std::int64_t first,
                              std::int64_t count, std::uint32_t step = 0) {
  const Tensor tokens = test::random_tokens(device, {4, 9}, 31, "tokens"),
               targets = test::random_tokens(device, {4, 9}, 31, "targets");
  const auto rows = [&](const Tensor& t) {
    const auto all = t.to_vector<std::int32_t>();
    return Tensor::from<std::int32_t>(device, {count, 9},
                                      std::span(all).subspan(static_cast<std::size_t>(first * 9),
                                                             static_cast<std::size_t>(count * 9)));
  };
  BatchContext context{
      .training = true, .seed = 1, .step = step, .first_sample = static_cast<std::uint32_t>(first)};
  backward(model.loss(rows(tokens), rows(targets), 1.0 / 36, context));
  parallel::collect_gradients(named_parameters(model));
  std::vector<double> all;
  for (const auto* p : named_parameters(model))
    for (const double g : p->grad.to_vector<double>()) all.push_back(g);
  return all;
}

}  // namespace

TEST_CASE("GPT-2 has Hugging Face's names and sizes", "[unit][nn]") {
  Device device({.threads = 1});
  const auto model =
      gpt({.vocab_size = 50257, .n_positions = 1024, .n_layer = 12, .n_head = 12, .n_embd = 768});
  std::set<std::string> names;
  std::int64_t count = 0;
  for (const auto* p : named_parameters(*model)) {
    names.insert(p->name());
    count += p->shape().numel();
  }
  CHECK(count == 124439808);  // "124M"
  CHECK(count == parameter_count({}));
  CHECK(names.size() == 148);
  for (const char* name :
       {"transformer.wte.weight", "transformer.wpe.weight", "transformer.ln_f.bias",
        "transformer.h.11.attn.c_attn.weight", "transformer.h.0.mlp.c_proj.bias"})
    CHECK(names.contains(name));
  CHECK_FALSE(names.contains("lm_head.weight"));  // tied
}

TEST_CASE("a batch's gradient is the sum of its samples', with dropout too", "[unit][nn]") {
  Device device({.threads = 2});
  GptConfig config = tiny();
  config.dropout = 0.2f;
  const auto model = make(device, config);
  const auto whole = gradients(*model, device, 0, 4);
  std::vector<double> sum(whole.size());
  for (int s = 0; s < 4; ++s) {
    const auto part = gradients(*model, device, s, 1);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += part[i];
  }
  CHECK(test::relative_error(sum, whole) < 1e-5);  // the masks belong to samples, not to batches
  CHECK(test::relative_error(gradients(*model, device, 0, 4, 1), whole) > 1e-2);  // another step
}

TEST_CASE("bf16 compute stays near f32", "[unit][nn]") {
  Device device({.threads = 2});
  const auto f32 = gradients(*make(device, tiny()), device, 0, 4);
  const auto bf = gradients(*make(device, tiny(), DType::bf16), device, 0, 4);
  CHECK(test::relative_error(bf, f32) < 3e-2);
}

TEST_CASE("the cache gives the logits of the whole context", "[unit][nn]") {
  Device device({.threads = 2});
  const auto model = make(device, tiny());
  const NoGrad off;
  const Tensor tokens = test::random_tokens(device, {2, 10}, 31, "tokens");
  BatchContext context;
  const auto whole = model->next_token_logits(tokens, context).to_vector<double>();
  KvCache cache(2, 16);
  std::vector<double> last;
  const auto ids = tokens.to_vector<std::int32_t>();
  const auto part = [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::int32_t> v;
    for (std::int64_t b = 0; b < 2; ++b)
      for (std::int64_t t = begin; t < end; ++t)
        v.push_back(ids[static_cast<std::size_t>(b * 10 + t)]);
    return Tensor::from<std::int32_t>(device, {2, end - begin}, v);
  };
  BatchContext cached{.cache = &cache};
  model->next_token_logits(part(0, 6), cached);
  for (std::int64_t t = 6; t < 10; ++t)
    last = model->next_token_logits(part(t, t + 1), cached).to_vector<double>();
  CHECK(test::relative_error(last, whole) < 1e-5);
  CHECK(cache.length() == 10);
}

TEST_CASE("layers can be replaced by name, if they fit", "[unit][nn]") {
  const auto model = gpt(tiny());
  Layer& block = *model->children()[0].second->children()[2].second->children()[0].second;
  CHECK(block.path() == "transformer.h.0");
  block.replace("ln_1", std::make_shared<LayerNorm>(24, 1e-3f));
  assign_names(*model);
  CHECK(named_parameters(*model).size() == 28);
  CHECK_THROWS_WITH(
      block.replace("ln_9", std::make_shared<LayerNorm>(24)),
      Catch::Matchers::Contains("no child 'ln_9'; its children: ln_1, attn, ln_2, mlp"));
  CHECK_THROWS_AS(block.replace("ln_1", std::make_shared<Embedding>(3, 24)), Error);
}

TEST_CASE("a model of impossible sizes is refused", "[unit][nn][errors]") {
  using Catch::Matchers::Contains;
  GptConfig c = tiny();
  c.n_head = 5;
  CHECK_THROWS_WITH(gpt(c), Contains("n_embd must be a multiple of model.n_head, got 24 and 5"));
  c = tiny();
  c.n_kv_head = 3;
  CHECK_THROWS_WITH(gpt(c), Contains("4 and 3"));
  c = tiny();
  c.n_layer = 0;
  CHECK_THROWS_WITH(gpt(c), Contains("n_layer must be at least 1"));
}
