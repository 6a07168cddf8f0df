// Folders of the Llama family that transformers made (scripts/make_reference.py): the same logits,
// loss and gradients, the same bytes written back; and what is refused, with everything named.

#include "gigatrain/train/hugging_face.h"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "gigatrain/base/error.h"
#include "gigatrain/parallel/gradient_tree.h"
#include "gigatrain/tensor/node.h"
#include "support/random.h"
#include "support/tiny_run.h"

using namespace gigatrain;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

const std::string kData = GIGATRAIN_TEST_DATA;

std::string read(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::vector<double> values(const StoredTensor& stored) {
  std::vector<double> out(static_cast<std::size_t>(stored.shape.numel()));
  copy_tensor(stored, TensorView(out.data(), DType::f64, stored.shape));
  return out;
}

Tensor ids(Device& device, const StoredTensor& stored) {
  std::vector<std::int32_t> out(static_cast<std::size_t>(stored.shape.numel()));
  copy_tensor(stored, TensorView(out.data(), DType::i32, stored.shape));
  return Tensor::from<std::int32_t>(device, stored.shape, out);
}

std::shared_ptr<nn::LanguageModel> open(Device& device, const std::string& folder) {
  const auto model = read_hf_folder(folder).make();
  nn::materialize(*model, device);
  load_weights(*model, ModelFiles::open(folder));
  return model;
}

void check_numbers(Device& device, const std::string& folder) {
  const auto model = open(device, folder);
  const auto reference = SafetensorsFile::open(folder + "/reference.safetensors");
  const Tensor tokens = ids(device, reference.at("tokens")),
               targets = ids(device, reference.at("targets"));
  {
    const NoGrad off;
    nn::BatchContext context;
    CHECK(test::relative_error(model->forward(tokens, context).to_vector<double>(),
                               values(reference.at("logits"))) < 1e-5);
  }
  double terms = 0;
  for (const auto id : targets.to_vector<std::int32_t>()) terms += id >= 0;
  nn::BatchContext context{.training = true};
  const Tensor loss = model->loss(tokens, targets, 1.0 / terms, context);
  backward(loss);
  CHECK(loss.item() == Approx(values(reference.at("loss"))[0]).epsilon(1e-5));
  const auto parameters = nn::named_parameters(*model);
  parallel::collect_gradients(parameters);
  std::size_t gradients = 0;
  for (const auto& name : reference.names()) gradients += name.starts_with("grad.");
  CHECK(gradients == parameters.size());
  for (const auto* p : parameters) {
    INFO(p->name());
    CHECK(test::relative_error(p->grad.to_vector<double>(),
                               values(reference.at("grad." + p->name()))) < 1e-5);
  }
}

void check_same_bytes(const std::string& a, const std::string& b) {
  const ModelFiles ours = ModelFiles::open(a), theirs = ModelFiles::open(b);
  REQUIRE(ours.names() == theirs.names());
  for (const auto& [name, tensor] : ours.tensors()) {
    INFO(name);
    const StoredTensor& other = theirs.at(name);
    REQUIRE(tensor.dtype == other.dtype);
    REQUIRE(tensor.shape == other.shape);
    CHECK(std::memcmp(tensor.data, other.data, static_cast<std::size_t>(tensor.bytes)) == 0);
  }
}

void check_round_trip(Device& device, const std::string& folder) {
  const test::TempFolder out;
  const auto model = open(device, folder);
  const auto dtypes = stored_dtypes(*model, ModelFiles::open(folder));
  save_hf_folder(*model, out / "one", {.dtypes = dtypes});
  check_same_bytes(out / "one", folder);
  CHECK(nlohmann::json::parse(read(out / "one" + "/config.json"))["torch_dtype"] ==
        (dtypes.begin()->second == DType::bf16 ? "bfloat16" : "float32"));
  // In shards, and again from our own config.json.
  const auto again = open(device, out / "one");
  CHECK(again->hf_config() == model->hf_config());
  save_hf_folder(*again, out / "two", {.dtypes = dtypes, .max_file_bytes = 8000});
  CHECK(fs::exists(out / "two" + "/model.safetensors.index.json"));
  check_same_bytes(out / "two", folder);
}

void check_folder(const std::string& folder) {
  INFO(folder);
  Device device({.threads = 2});
  check_numbers(device, folder);
  check_round_trip(device, folder);
}

// A copy of a committed folder to break.
struct Copied {
  test::TempFolder out;
  std::string folder = out / "model";
  explicit Copied(const std::string& name) { fs::copy(kData + "/" + name, folder); }

  void config(const std::function<void(nlohmann::json&)>& change) const {
    auto json = nlohmann::json::parse(read(folder + "/config.json"));
    change(json);
    std::ofstream(folder + "/config.json") << json;
  }
  std::string error(ErrorCode code) const {
    try {
      const auto model = read_hf_folder(folder).make();
      check_weights(*model, ModelFiles::open(folder));
    } catch (const Error& e) {
      CHECK(e.code() == code);
      return e.what();
    }
    return "no error";
  }
};

}  // namespace

TEST_CASE("GPT-2: numbers of transformers, the same bytes back", "[unit][train][reference]") {
  check_folder(kData + "/gpt2_tiny");
}
TEST_CASE("Llama: numbers of transformers, the same bytes back", "[unit][train][reference]") {
  check_folder(kData + "/llama_tiny");
}
TEST_CASE("Mistral: numbers of transformers, the same bytes back", "[unit][train][reference]") {
  check_folder(kData + "/mistral_tiny");
}
TEST_CASE("Qwen2: numbers of transformers, the same bytes back", "[unit][train][reference]") {
  check_folder(kData + "/qwen2_tiny");
}
TEST_CASE("Qwen3: numbers of transformers, the same bytes back", "[unit][train][reference]") {
  check_folder(kData + "/qwen3_tiny");
}
TEST_CASE("SmolLM3: numbers of transformers, the same bytes back", "[unit][train][reference]") {
  check_folder(kData + "/smollm3_tiny");
}

// scripts/compare_families.py makes them.
TEST_CASE("all folders of GIGATRAIN_REFERENCE", "[.reference_folders]") {
  const char* root = std::getenv("GIGATRAIN_REFERENCE");
  REQUIRE(root);
  int count = 0;
  for (const auto& entry : fs::directory_iterator(root)) {
    check_folder(entry.path().string());
    ++count;
  }
  REQUIRE(count > 0);
}

TEST_CASE("a folder in f16 keeps its bytes", "[unit][train]") {
  Device device({.threads = 1});
  const test::TempFolder out;
  const auto model = open(device, kData + "/gpt2_tiny");
  save_hf_folder(*model, out / "half", {.dtype = DType::f16});
  CHECK(ModelFiles::open(out / "half").at("transformer.wte.weight").dtype == "F16");
  const auto half = open(device, out / "half");
  save_hf_folder(*half, out / "again", {.dtype = DType::f16});
  check_same_bytes(out / "again", out / "half");
  CHECK_THROWS_WITH(save_hf_folder(*model, out / "half"), Contains("exists already"));
  CHECK_THROWS_WITH(save_hf_folder(*model, out / "ids", {.dtype = DType::i32}),
                    Contains("f32, bf16 or f16, got i32"));
}

TEST_CASE("all tensors that do not fit are named at once", "[unit][train][errors]") {
  const Copied copied("llama_tiny");
  copied.config([](auto& j) {
    j["attention_bias"] = true;
    j["intermediate_size"] = 30;
    j["tie_word_embeddings"] = true;
    j["num_hidden_layers"] = 1;
  });
  const std::string text = copied.error(ErrorCode::corrupt);
  CHECK_THAT(text, Contains("missing: 'model.layers.0.self_attn.q_proj.bias' (24)"));
  CHECK_THAT(text, Contains("missing: 'model.layers.0.self_attn.o_proj.bias' (24)"));
  CHECK_THAT(text,
             Contains("wrong shape: 'model.layers.0.mlp.up_proj.weight' must be (30, 24), got "
                      "(28, 24)"));
  CHECK_THAT(text, Contains("unexpected: 'model.layers.1.input_layernorm.weight' (24)"));
  CHECK_THAT(text, Contains("16 tensors of "));
  CHECK_THAT(text, !Contains("lm_head"));  // a tied head's copy is not needed
}

TEST_CASE("architectures and options that we do not compute are refused", "[unit][train][errors]") {
  const auto refused = [](const std::string& name, const std::function<void(nlohmann::json&)>& f,
                          ErrorCode code = ErrorCode::unsupported) {
    const Copied copied(name);
    copied.config(f);
    return copied.error(code);
  };
  const auto set = [](const char* key, const nlohmann::json& value) {
    return [=](nlohmann::json& j) { j[key] = value; };
  };
  CHECK_THAT(refused("llama_tiny", set("model_type", "gemma")),
             Contains("must be one of gpt2, llama, mistral, qwen2, qwen3, smollm3, got \"gemma\""));
  CHECK_THAT(refused("llama_tiny", set("architectures", {"LlamaForSequenceClassification"})),
             Contains("must be a language model"));
  CHECK_THAT(refused("llama_tiny", set("hidden_act", "gelu")), Contains("must be silu"));
  CHECK_THAT(refused("mistral_tiny", set("sliding_window", 32)),
             Contains("sliding window of 32 positions is not supported: it must cover the context "
                      "of 64"));
  CHECK_THAT(refused("llama_tiny", set("rope_parameters", {{"rope_type", "longrope"}})),
             Contains("got 'longrope'"));
  CHECK_THAT(refused("llama_tiny", set("partial_rotary_factor", 0.5)), Contains("whole heads"));
  const auto broken = ErrorCode::corrupt;
  CHECK_THAT(refused("llama_tiny", set("hidden_size", "many"), broken),
             Contains("'hidden_size' must be a whole number from 0 to 1073741824, got \"many\""));
  CHECK_THAT(refused("llama_tiny", set("hidden_size", nullptr), broken),
             Contains("'hidden_size' is missing"));
  CHECK_THAT(refused("llama_tiny", set("rope_parameters", 3), broken), Contains("an object"));
  CHECK_THAT(refused("llama_tiny", set("num_key_value_heads", 2), ErrorCode::invalid_argument),
             Contains("n_head must be a multiple of model.n_kv_head, got 3 and 2"));
}

TEST_CASE("rotary parameters are read in the form of transformers 4 too", "[unit][train]") {
  const auto now = read_hf_folder(kData + "/llama_tiny").make()->hf_config();
  const Copied copied("llama_tiny");
  copied.config([](auto& j) {
    j["rope_scaling"] = j["rope_parameters"];
    j["rope_theta"] = j["rope_scaling"]["rope_theta"];
    j["rope_scaling"]["type"] = j["rope_scaling"]["rope_type"];
    for (const char* key : {"rope_theta", "rope_type"}) j["rope_scaling"].erase(key);
    j.erase("rope_parameters");
  });
  CHECK(read_hf_folder(copied.folder).make()->hf_config() == now);
}
