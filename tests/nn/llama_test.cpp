// What a Llama promises beside the numbers of transformers (tests/train/hugging_face_test.cpp):
// names, sizes, cache, bf16, and a gradient that the order of leaves does not change.

#include "gigatrain/nn/models/llama.h"

#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>
#include <set>

#include "gigatrain/base/error.h"
#include "gigatrain/nn/layers.h"
#include "gigatrain/parallel/gradient_tree.h"
#include "gigatrain/tensor/node.h"
#include "support/random.h"

using namespace gigatrain;
using namespace gigatrain::nn;
using Catch::Matchers::Contains;

namespace {

LlamaConfig tiny() {
  return {.vocab_size = 31,
          .n_positions = 16,
          .n_layer = 2,
          .n_head = 4,
          .n_kv_head = 2,
          .n_embd = 24,
          .n_inner = 40};
}

LlamaConfig qwen3() {
  LlamaConfig c = tiny();
  c.head_dim = 10;
  c.qk_norm = true;
  c.tie = false;
  return c;
}

std::shared_ptr<LanguageModel> make(Device& device, const LlamaConfig& config,
                                    DType compute = DType::f32) {
  auto model = llama(config);
  materialize(*model, device, {.compute = compute, .seed = 3});
  return model;
}

// Of samples [first, first + count) of one batch of four.
Tensor loss_of(LanguageModel& model, Device& device, std::int64_t first, std::int64_t count) {
  const auto rows = [&](const char* name) {
    const auto all = test::random_ids(36, 31, name);
    return Tensor::from<std::int32_t>(device, {count, 9},
                                      std::span(all).subspan(static_cast<std::size_t>(first * 9),
                                                             static_cast<std::size_t>(count * 9)));
  };
  BatchContext context{.training = true};
  return model.loss(rows("tokens"), rows("targets"), 1.0 / 36, context);
}

std::vector<double> gradient_values(LanguageModel& model) {
  std::vector<double> all;
  for (const auto* p : named_parameters(model))
    for (const double g : p->grad.to_vector<double>()) all.push_back(g);
  return all;
}

std::vector<double> gradients(LanguageModel& model, Device& device) {
  backward(loss_of(model, device, 0, 4));
  parallel::collect_gradients(named_parameters(model));
  return gradient_values(model);
}

std::int64_t count_of(LanguageModel& model) {
  std::int64_t count = 0;
  for (const auto* p : named_parameters(model)) count += p->shape().numel();
  return count;
}

}  // namespace

TEST_CASE("SmolLM2-135M has Hugging Face's names and sizes", "[unit][nn]") {
  const auto model = llama({});
  std::set<std::string> names;
  for (const auto* p : named_parameters(*model)) names.insert(p->name());
  CHECK(count_of(*model) == 134515008);
  CHECK(parameter_count(LlamaConfig{}) == 134515008);
  CHECK(names.size() == 30 * 9 + 2);
  for (const char* name :
       {"model.embed_tokens.weight", "model.norm.weight", "model.layers.29.self_attn.q_proj.weight",
        "model.layers.0.self_attn.k_proj.weight", "model.layers.0.self_attn.v_proj.weight",
        "model.layers.0.self_attn.o_proj.weight", "model.layers.0.mlp.gate_proj.weight",
        "model.layers.0.mlp.up_proj.weight", "model.layers.0.mlp.down_proj.weight",
        "model.layers.0.input_layernorm.weight", "model.layers.0.post_attention_layernorm.weight"})
    CHECK(names.contains(name));
  CHECK_FALSE(names.contains("lm_head.weight"));  // tied
}

TEST_CASE("a Llama's parameter count is that of its parameters", "[unit][nn]") {
  LlamaConfig biased = tiny();
  biased.qkv_bias = biased.o_bias = biased.mlp_bias = true;
  for (const auto& c : {tiny(), qwen3(), biased}) CHECK(parameter_count(c) == count_of(*llama(c)));
}

TEST_CASE("a Llama's gradient does not depend on the order of leaves", "[unit][nn]") {
  Device device({.threads = 2});
  for (const auto& config : {tiny(), qwen3()}) {
    const auto model = make(device, config);
    const auto parameters = named_parameters(*model);
    std::vector<double> first;
    for (const auto& order : {std::vector<std::int64_t>{0, 1, 2, 3}, {2, 0, 3, 1}}) {
      parallel::GradientTree tree(parameters, 4);
      for (const auto leaf : order) {
        tree.begin_leaf({leaf});
        backward(loss_of(*model, device, leaf, 1));
        tree.end_leaf();
      }
      tree.finish();
      const auto all = gradient_values(*model);
      if (first.empty()) first = all;
      CHECK(all == first);
    }
    CHECK(test::relative_error(first, gradients(*model, device)) < 1e-5);
  }
}

TEST_CASE("a Llama in bf16 stays near f32", "[unit][nn]") {
  Device device({.threads = 2});
  for (const auto& config : {tiny(), qwen3()}) {
    const auto f32 = gradients(*make(device, config), device);
    const auto bf = gradients(*make(device, config, DType::bf16), device);
    CHECK(test::relative_error(bf, f32) < 3e-2);
  }
}

TEST_CASE("a Llama's cache gives the logits of the whole context", "[unit][nn]") {
  Device device({.threads = 2});
  LlamaConfig still = tiny();
  still.no_rope_layers = {1};
  for (const auto& config : {tiny(), qwen3(), still}) {
    const auto model = make(device, config);
    const NoGrad off;
    const auto ids = test::random_ids(20, 31, "tokens");
    const auto part = [&](std::int64_t begin, std::int64_t end) {
      std::vector<std::int32_t> v;
      for (std::int64_t b = 0; b < 2; ++b)
        for (std::int64_t t = begin; t < end; ++t)
          v.push_back(ids[static_cast<std::size_t>(b * 10 + t)]);
      return Tensor::from<std::int32_t>(device, {2, end - begin}, v);
    };
    BatchContext context;
    const auto whole = model->next_token_logits(part(0, 10), context).to_vector<double>();
    KvCache cache(2, 16);
    BatchContext cached{.cache = &cache};
    model->next_token_logits(part(0, 6), cached);
    std::vector<double> last;
    for (std::int64_t t = 6; t < 10; ++t)
      last = model->next_token_logits(part(t, t + 1), cached).to_vector<double>();
    CHECK(test::relative_error(last, whole) < 1e-5);
    CHECK(cache.length() == 10);
  }
}

TEST_CASE("a Llama is written as the plainest architecture that fits", "[unit][nn]") {
  const auto type = [](const LlamaConfig& c) {
    return nlohmann::json::parse(llama(c)->hf_config())["model_type"].get<std::string>();
  };
  LlamaConfig c = tiny();
  CHECK(type(c) == "llama");
  c.hf_type = "mistral";
  CHECK(type(c) == "mistral");
  c.qkv_bias = true;
  CHECK_THROWS_WITH(type(c), Contains("no Hugging Face model of type 'mistral' has"));
  c.hf_type = "";
  CHECK(type(c) == "qwen2");
  c.no_rope_layers = {1};
  CHECK_THROWS_WITH(type(c),
                    Contains("no Hugging Face architecture has qk_norm false, biases on q, "
                             "k, v true, on o false"));
  c.o_bias = true;
  CHECK(type(c) == "smollm3");
  CHECK(type(qwen3()) == "qwen3");
}

TEST_CASE("a Llama of impossible sizes is refused", "[unit][nn][errors]") {
  LlamaConfig c = tiny();
  c.n_head = 5;
  CHECK_THROWS_WITH(llama(c), Contains("n_embd must be a multiple of model.n_head, got 24 and 5"));
  c.head_dim = 4;
  c.n_kv_head = 2;
  CHECK_THROWS_WITH(llama(c),
                    Contains("n_head must be a multiple of model.n_kv_head, got 5 and 2"));
  c = tiny();
  c.head_dim = 7;
  CHECK_THROWS_WITH(llama(c), Contains("head_dim must be even"));
  c = tiny();
  c.no_rope_layers = {2};
  CHECK_THROWS_WITH(llama(c), Contains("must ascend in [0, 2), got 2 at place 0"));
  c = tiny();
  c.n_head = 0;
  CHECK_THROWS_WITH(llama(c), Contains("n_head must be at least 1"));
}
