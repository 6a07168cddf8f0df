// llm.c's test (test_gpt2.c): one forward and backward against tensors written by PyTorch, then ten
// AdamW steps on the same batch, from files in llm.c's formats (scripts/make_reference.py).

#include <catch2/catch.hpp>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "gigatrain/nn/models/gpt.h"
#include "gigatrain/optim/adamw.h"
#include "gigatrain/parallel/gradient_tree.h"
#include "gigatrain/tensor/node.h"
#include "support/random.h"

using namespace gigatrain;

namespace {

struct File {
  std::ifstream in;
  std::vector<std::int32_t> header;

  File(const std::string& name, std::int32_t magic, std::int32_t version)
      : in(GIGATRAIN_TEST_DATA "/gpt2_tiny/" + name, std::ios::binary) {
    header = read<std::int32_t>(256);
    REQUIRE(header[0] == magic);
    REQUIRE(header[1] == version);
  }
  template <class T>
  std::vector<T> read(std::int64_t count) {
    std::vector<T> v(static_cast<std::size_t>(count));
    in.read(reinterpret_cast<char*>(v.data()), static_cast<std::streamsize>(v.size() * sizeof(T)));
    REQUIRE(in);
    return v;
  }
};

// The 16 arrays of llm.c in its order, each over all layers; matrices are (out, in).
std::map<std::string, std::vector<double>> read_tensors(File& file, const nn::GptConfig& c,
                                                        std::int64_t padded_vocab) {
  std::map<std::string, std::vector<double>> out;
  const auto take = [&](const std::string& name, std::int64_t rows, std::int64_t cols,
                        bool transposed) {
    const auto raw = file.read<float>(rows * cols);
    auto& values = out["transformer." + name];
    for (std::int64_t i = 0; i < rows * cols; ++i)
      values.push_back(static_cast<double>(
          raw[static_cast<std::size_t>(transposed ? i % rows * cols + i / rows : i)]));
  };
  const std::int64_t n = c.n_embd;
  take("wte.weight", padded_vocab, n, false);
  out["transformer.wte.weight"].resize(static_cast<std::size_t>(c.vocab_size * n));
  take("wpe.weight", c.n_positions, n, false);
  const auto per_layer = [&](const std::string& name, std::int64_t rows, std::int64_t cols) {
    for (std::int64_t l = 0; l < c.n_layer; ++l)
      take("h." + std::to_string(l) + "." + name, rows, cols, cols > 1);
  };
  per_layer("ln_1.weight", n, 1);
  per_layer("ln_1.bias", n, 1);
  per_layer("attn.c_attn.weight", 3 * n, n);
  per_layer("attn.c_attn.bias", 3 * n, 1);
  per_layer("attn.c_proj.weight", n, n);
  per_layer("attn.c_proj.bias", n, 1);
  per_layer("ln_2.weight", n, 1);
  per_layer("ln_2.bias", n, 1);
  per_layer("mlp.c_fc.weight", 4 * n, n);
  per_layer("mlp.c_fc.bias", 4 * n, 1);
  per_layer("mlp.c_proj.weight", n, 4 * n);
  per_layer("mlp.c_proj.bias", n, 1);
  take("ln_f.weight", n, 1, false);
  take("ln_f.bias", n, 1, false);
  return out;
}

struct Reference {
  Device device{{.threads = 2}};
  std::shared_ptr<nn::LanguageModel> model;
  Tensor tokens, targets;
  std::vector<double> logits;
  double loss = 0;
  std::map<std::string, std::vector<double>> gradients;

  Reference() {
    File weights("gpt2_tiny.bin", 20240326, 3);
    const auto& h = weights.header;
    const nn::GptConfig config{.vocab_size = h[3],
                               .n_positions = h[2],
                               .n_layer = h[4],
                               .n_head = h[5],
                               .n_kv_head = h[5],
                               .n_embd = h[6],
                               .n_inner = 4 * h[6]};
    model = nn::gpt(config);
    nn::materialize(*model, device);
    auto values = read_tensors(weights, config, h[7]);
    for (auto* p : nn::named_parameters(*model)) {
      const auto& v = values.at(p->name());
      REQUIRE(static_cast<std::int64_t>(v.size()) == p->shape().numel());
      std::copy(v.begin(), v.end(), p->value().view().as<float>());
      p->changed();
    }
    File state("gpt2_tiny_debug_state.bin", 20240327, 2);
    const std::int64_t b = state.header[2], t = state.header[3];
    const auto read_ids = [&] {
      const auto ids = state.read<std::int32_t>(b * t);
      return Tensor::from<std::int32_t>(device, {b, t}, ids);
    };
    tokens = read_ids();
    targets = read_ids();
    for (const float x : state.read<float>(b * t * config.vocab_size)) logits.push_back(x);
    loss = static_cast<double>(state.read<float>(1)[0]);
    gradients = read_tensors(state, config, h[7]);
  }

  double step() {
    nn::BatchContext context{.training = true};
    const Tensor value =
        model->loss(tokens, targets, 1.0 / static_cast<double>(tokens.numel()), context);
    backward(value);
    parallel::collect_gradients(nn::named_parameters(*model));
    return value.item();
  }
};

}  // namespace

TEST_CASE("logits, loss and every gradient equal PyTorch's (llm.c files)",
          "[unit][nn][reference]") {
  Reference r;
  {
    const NoGrad off;
    nn::BatchContext context;
    CHECK(test::relative_error(r.model->forward(r.tokens, context).to_vector<double>(), r.logits) <
          1e-5);
  }
  CHECK(r.step() == Approx(r.loss).epsilon(1e-6));
  for (const auto* p : nn::named_parameters(*r.model)) {
    INFO(p->name());
    CHECK(test::relative_error(p->grad.to_vector<double>(), r.gradients.at(p->name())) < 1e-5);
  }
}

TEST_CASE("ten AdamW steps follow PyTorch's losses", "[unit][nn][reference]") {
  // What torch.optim.AdamW gave in f64; every parameter decays, as in llm.c.
  std::ifstream in(GIGATRAIN_TEST_DATA "/gpt2_tiny/adamw_losses.json");
  const auto reference = nlohmann::json::parse(in);
  REQUIRE(reference["runs"].size() == 2);
  for (const auto& run : reference["runs"]) {
    Reference r;
    const std::vector<optim::ParameterGroup> all{
        {nn::named_parameters(*r.model), 1.0f, run["weight_decay"].get<float>()}};
    optim::AdamW adamw(all, {.beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f});
    for (int t = 1; t <= 10; ++t) {
      CHECK(r.step() ==
            Approx(run["losses"][static_cast<std::size_t>(t - 1)].get<double>()).epsilon(2e-6));
      adamw.step({.step = t, .lr = reference["lr"].get<float>()});
    }
  }
}
