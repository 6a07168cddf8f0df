// From [model] or a folder to a model, whatever its kind.

#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "gigatrain/base/error.h"
#include "gigatrain/nn/models/llama.h"
#include "gigatrain/train/checkpoint_files.h"
#include "gigatrain/train/generate.h"
#include "gigatrain/train/session.h"
#include "support/save_run.h"
#include "support/tiny_run.h"
#include "train/run_state.h"

using namespace gigatrain;
using Catch::Matchers::Contains;

namespace {

const std::string kFolder = std::string(GIGATRAIN_TEST_DATA) + "/llama_tiny";

Config parse(const std::string& model, std::int64_t seq_len = 16) {
  return parse_config(
      fmt::format("[model]\n{}\n[data]\ntrain = 'x'\ntokenizer = 'none'\n[train]\nsteps = 1\n"
                  "seq_len = {}\n",
                  model, seq_len),
      "a.toml");
}

std::string hf_config(const std::string& model) {
  return model_spec(parse(model), nullptr).make()->hf_config();
}

}  // namespace

TEST_CASE("[model] gives a Llama with every option", "[unit][train][config]") {
  const std::string text = hf_config(
      "kind = 'llama'\nn_layer = 4\nn_head = 4\nn_kv_head = 2\nn_embd = 24\nvocab_size = 50\n"
      "head_dim = 8\nqkv_bias = true\no_bias = true\nmlp_bias = true\nrope_theta = 5e5\n"
      "rope_scaling = 'llama3'\nrope_factor = 4.0\nno_rope_every = 2\nnorm_eps = 1e-6\ntie = "
      "false");
  const nn::LlamaConfig expected{.vocab_size = 50,
                                 .n_positions = 16,
                                 .n_layer = 4,
                                 .n_head = 4,
                                 .n_kv_head = 2,
                                 .n_embd = 24,
                                 .n_inner = 64,
                                 .head_dim = 8,
                                 .tie = false,
                                 .qkv_bias = true,
                                 .o_bias = true,
                                 .mlp_bias = true,
                                 .rope_theta = 5e5,
                                 .rope_scaling = {.kind = ops::RopeScaling::Kind::llama3,
                                                  .factor = 4,
                                                  .original_positions = 4},
                                 .no_rope_layers = {1, 3},
                                 .norm_eps = 1e-6f};
  CHECK(text == nn::llama(expected)->hf_config());
  CHECK_THAT(hf_config("kind = 'llama'\nvocab_size = 50\nqk_norm = true"), Contains("\"qwen3\""));
}

TEST_CASE("a key of another kind is refused", "[unit][train][config]") {
  CHECK_THROWS_WITH(
      parse("qk_norm = true\nrope_theta = 2e4"),
      Contains("a.toml:2: model.qk_norm = true means nothing to model.kind = \"gpt\"") &&
          Contains("2 problems") && Contains("model.rope_theta = 20000.0"));
  CHECK_THROWS_WITH(parse("kind = 'llama'\ndropout = 0.1"),
                    Contains("model.dropout = 0.1 means nothing to model.kind = \"llama\""));
  CHECK_THROWS_WITH(parse("kind = 'lama'"), Contains("did you mean 'llama'?"));
}

TEST_CASE("model.from takes kind, sizes and weights from the folder", "[unit][train]") {
  Device device({.threads = 1});
  const Config config = parse("from = '" + kFolder + "'");
  const nn::ModelSpec spec = model_spec(config, nullptr);
  CHECK(spec.vocab_size() == 37);
  CHECK(spec.max_positions() == 64);
  const auto model = build_model(device, config, spec);
  const auto files = ModelFiles::open(kFolder);
  std::vector<float> stored(24);
  copy_tensor(files.at("model.norm.weight"), {stored.data(), DType::f32, {24}});
  for (const auto* p : nn::named_parameters(*model))
    if (p->name() == "model.norm.weight") CHECK(p->value().to_vector<float>() == stored);
  CHECK_THROWS_WITH(model_spec(parse("from = '" + kFolder + "'", 65), nullptr),
                    Contains("seq_len must not pass the 64 positions"));
  CHECK_THROWS_WITH(model_spec(parse("from = '" + kFolder + "'\ndropout = 0.1"), nullptr),
                    Contains("has no dropout"));
  CHECK_THROWS_WITH(model_spec(parse("from = '/nowhere'"), nullptr), Contains("config.json"));
}

TEST_CASE("a checkpoint of a Llama opens as a model that writes", "[unit][train]") {
  const test::TempFolder folder;
  test::write_shard(folder / "train.bin", 2000, test::TinyRun::kVocab);
  test::TinyRun tiny(folder / "train.bin", {.llama = true});
  tiny.trainer->step();
  TrainState state;
  state.config = to_toml(parse("kind = 'llama'\nvocab_size = 37", 12));
  test::save_run(folder / "ckpt", *tiny.model, *tiny.optimizer, state);
  const LoadedModel loaded = load_model(tiny.device, folder.path());
  CHECK(loaded.model->hf_config() == tiny.model->hf_config());
  CHECK(loaded.dtypes.at("lm_head.weight") == DType::f32);
  // Ten tokens pass the context of twelve, after a prompt of five.
  const GenerateOptions options{.max_tokens = 10, .temperature = 0};
  CHECK(generate(*loaded.model, tiny.device, {1, 2, 3, 4, 5}, options) ==
        generate(*tiny.model, tiny.device, {1, 2, 3, 4, 5}, options));
}
