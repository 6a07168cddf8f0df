// The models of gigatrain.nn.

#include "gigatrain/nn/models/gpt.h"
#include "nn.h"

namespace gigatrain::python {

namespace {

using nn::GptConfig;

void bind_gpt(py::module_& m) {
  const GptConfig d;
  py::class_<GptConfig>(m, "GptConfig", "Sizes of a GPT-2 model.")
      .def(py::init([](std::int64_t vocab_size, std::int64_t n_positions, std::int64_t n_layer,
                       std::int64_t n_head, std::int64_t n_kv_head, std::int64_t n_embd,
                       std::int64_t n_inner, float dropout, bool tie, float layer_norm_eps,
                       float init_std) {
             return GptConfig{vocab_size, n_positions, n_layer, n_head,         n_kv_head, n_embd,
                              n_inner,    dropout,     tie,     layer_norm_eps, init_std};
           }),
           py::kw_only(), py::arg("vocab_size") = d.vocab_size,
           py::arg("n_positions") = d.n_positions, py::arg("n_layer") = d.n_layer,
           py::arg("n_head") = d.n_head, py::arg("n_kv_head") = d.n_kv_head,
           py::arg("n_embd") = d.n_embd, py::arg("n_inner") = d.n_inner,
           py::arg("dropout") = d.dropout, py::arg("tie") = d.tie,
           py::arg("layer_norm_eps") = d.layer_norm_eps, py::arg("init_std") = d.init_std,
           "n_kv_head 0: n_head. n_inner 0: 4 n_embd. tie: the head is the token table. init_std: "
           "small models learn sooner with about 1 / sqrt(n_embd).")
      .def_readwrite("vocab_size", &GptConfig::vocab_size, "Token ids.")
      .def_readwrite("n_positions", &GptConfig::n_positions, "Longest sequence, in tokens.")
      .def_readwrite("n_layer", &GptConfig::n_layer, "Transformer blocks.")
      .def_readwrite("n_head", &GptConfig::n_head, "Attention heads.")
      .def_readwrite("n_kv_head", &GptConfig::n_kv_head, "Key and value heads; 0: n_head.")
      .def_readwrite("n_embd", &GptConfig::n_embd, "Channels, a multiple of n_head.")
      .def_readwrite("n_inner", &GptConfig::n_inner, "MLP channels; 0: 4 n_embd.")
      .def_readwrite("dropout", &GptConfig::dropout, "Probability.")
      .def_readwrite("tie", &GptConfig::tie, "Is the head the token table?")
      .def_readwrite("layer_norm_eps", &GptConfig::layer_norm_eps, "Added to the variance.")
      .def_readwrite("init_std", &GptConfig::init_std, "Of initial matrices.");
  m.def("gpt", &nn::gpt, py::arg("config"),
        "GPT-2 (Radford et al., 2019) with Hugging Face's names; no values before materialize(). "
        "Raises InvalidArgument when sizes do not divide.");
  m.def("parameter_count", py::overload_cast<const GptConfig&>(&nn::parameter_count),
        py::arg("config"), "Number of weights, tied ones once.");
}

}  // namespace

void bind_models(py::module_& m) {
  py::classh<nn::LanguageModel, nn::Model>(
      m, "LanguageModel",
      "A model of text. Called with tokens (B, T) i32 it gives logits (B, T, V).")
      .def(
          "loss",
          [](nn::LanguageModel& model, const Tensor& tokens, const Tensor& targets, double scale,
             nn::BatchContext* context) {
            auto& c = context_or_current(context);
            const py::gil_scoped_release unlocked;
            return model.loss(tokens, targets, scale, c);
          },
          py::arg("tokens"), py::arg("targets"), py::arg("scale") = 1.0,
          py::arg("context") = py::none(),
          "scale * sum of the targets' cross-entropies in nats, a scalar f32. tokens, targets (B, "
          "T) "
          "i32; target -1: ignored. scale = 1 / number of targets gives their mean.")
      .def(
          "next_token_logits",
          [](nn::LanguageModel& model, const Tensor& tokens) {
            auto& c = context_or_current(nullptr);
            const py::gil_scoped_release unlocked;
            return model.next_token_logits(tokens, c);
          },
          py::arg("tokens"), "Logits of the last position of each sequence, (B, V).")
      .def_property_readonly("vocab_size", &nn::LanguageModel::vocab_size, "Token ids.")
      .def_property_readonly("max_positions", &nn::LanguageModel::max_positions,
                             "Longest sequence, in tokens.")
      .def("hf_config", &nn::LanguageModel::hf_config, "Hugging Face's config.json, as text.")
      .def("flops_per_token", &nn::LanguageModel::flops_per_token, py::arg("t"),
           "Floating-point operations of a token's forward and backward at context length t.");
  bind_gpt(m);
}

}  // namespace gigatrain::python
