// The Llama family, and Hugging Face folders.

#include "gigatrain/nn/models/llama.h"

#include "gigatrain/train/hugging_face.h"
#include "nn.h"

namespace gigatrain::python {

namespace {

using nn::LlamaConfig;

void bind_fields(py::class_<LlamaConfig>& c) {
  c.def_readwrite("vocab_size", &LlamaConfig::vocab_size, "Token ids.")
      .def_readwrite("n_positions", &LlamaConfig::n_positions, "Longest sequence, in tokens.")
      .def_readwrite("n_layer", &LlamaConfig::n_layer, "Transformer blocks.")
      .def_readwrite("n_head", &LlamaConfig::n_head, "Attention heads.")
      .def_readwrite("n_kv_head", &LlamaConfig::n_kv_head, "Key and value heads; 0: n_head.")
      .def_readwrite("n_embd", &LlamaConfig::n_embd, "Channels.")
      .def_readwrite("n_inner", &LlamaConfig::n_inner, "MLP channels; 0: 8/3 n_embd, rounded up.")
      .def_readwrite("head_dim", &LlamaConfig::head_dim, "Of a head; 0: n_embd / n_head.")
      .def_readwrite("tie", &LlamaConfig::tie, "Is the head the token table?")
      .def_readwrite("qk_norm", &LlamaConfig::qk_norm, "RMS norms of query and key heads (Qwen3).")
      .def_readwrite("qkv_bias", &LlamaConfig::qkv_bias, "Biases on q, k, v (Qwen2).")
      .def_readwrite("o_bias", &LlamaConfig::o_bias, "A bias on the attention's output.")
      .def_readwrite("mlp_bias", &LlamaConfig::mlp_bias, "Biases in the MLP.")
      .def_readwrite("rope_theta", &LlamaConfig::rope_theta, "Base of the rotary frequencies.")
      .def_readwrite("rope_scaling", &LlamaConfig::rope_scaling, "For longer contexts.")
      .def_readwrite("norm_eps", &LlamaConfig::norm_eps, "Added to the mean square.")
      .def_readwrite("init_std", &LlamaConfig::init_std, "Of initial matrices.");
}

void bind_llama_config(py::module_& m) {
  const LlamaConfig d;
  py::class_<LlamaConfig> config(m, "LlamaConfig",
                                 "Sizes and options of a Llama, Mistral, Qwen2, Qwen3 or SmolLM "
                                 "model; the defaults are SmolLM2-135M's.");
  config.def(
      py::init([](std::int64_t vocab_size, std::int64_t n_positions, std::int64_t n_layer,
                  std::int64_t n_head, std::int64_t n_kv_head, std::int64_t n_embd,
                  std::int64_t n_inner, std::int64_t head_dim, bool tie, bool qk_norm,
                  bool qkv_bias, bool o_bias, bool mlp_bias, double rope_theta,
                  const ops::RopeScaling& rope_scaling, float norm_eps, float init_std) {
        return LlamaConfig{.vocab_size = vocab_size,
                           .n_positions = n_positions,
                           .n_layer = n_layer,
                           .n_head = n_head,
                           .n_kv_head = n_kv_head,
                           .n_embd = n_embd,
                           .n_inner = n_inner,
                           .head_dim = head_dim,
                           .tie = tie,
                           .qk_norm = qk_norm,
                           .qkv_bias = qkv_bias,
                           .o_bias = o_bias,
                           .mlp_bias = mlp_bias,
                           .rope_theta = rope_theta,
                           .rope_scaling = rope_scaling,
                           .norm_eps = norm_eps,
                           .init_std = init_std};
      }),
      py::kw_only(), py::arg("vocab_size") = d.vocab_size, py::arg("n_positions") = d.n_positions,
      py::arg("n_layer") = d.n_layer, py::arg("n_head") = d.n_head,
      py::arg("n_kv_head") = d.n_kv_head, py::arg("n_embd") = d.n_embd,
      py::arg("n_inner") = d.n_inner, py::arg("head_dim") = d.head_dim, py::arg("tie") = d.tie,
      py::arg("qk_norm") = d.qk_norm, py::arg("qkv_bias") = d.qkv_bias,
      py::arg("o_bias") = d.o_bias, py::arg("mlp_bias") = d.mlp_bias,
      py::arg("rope_theta") = d.rope_theta, py::arg("rope_scaling") = ops::RopeScaling{},
      py::arg("norm_eps") = d.norm_eps, py::arg("init_std") = d.init_std,
      "Zeros are filled in: n_kv_head by n_head, n_inner by 8/3 n_embd, head_dim by n_embd / "
      "n_head.");
  bind_fields(config);
}

}  // namespace

void bind_llama(py::module_& nn, py::module_& m) {
  bind_llama_config(nn);
  nn.def(
      "llama", &nn::llama, py::arg("config"),
      "Llama (arXiv:2302.13971) and its family with Hugging Face's names; no values before "
      "materialize(). Raises InvalidArgument when sizes do not divide, Unsupported for a mixture "
      "that no architecture has.");
  nn.def("parameter_count", py::overload_cast<const LlamaConfig&>(&nn::parameter_count),
         py::arg("config"), "Number of weights, tied ones once.");
  m.def(
      "save_hf_folder",
      [](nn::LanguageModel& model, const std::string& folder, DType dtype) {
        save_hf_folder(model, folder, {.dtype = dtype});
      },
      Unlocked(), py::arg("model"), py::arg("folder"), py::kw_only(), py::arg("dtype") = DType::f32,
      "Makes a Hugging Face folder that transformers opens, whole or not at all. dtype: f32, bf16 "
      "or "
      "f16. Raises IoError if the path exists.");
}

}  // namespace gigatrain::python
