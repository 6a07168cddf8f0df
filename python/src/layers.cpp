// The layers of gigatrain.nn.

#include "gigatrain/nn/layers.h"

#include <pybind11/typing.h>

#include "gigatrain/nn/conv_layers.h"
#include "gigatrain/nn/transformer.h"
#include "nn.h"

namespace gigatrain::python {

namespace {

void bind_packed_linear(py::module_& m) {
  py::classh<nn::PackedLinear, nn::Layer>(
      m, "PackedLinear",
      "Several linear maps of one input as one product: x (..., n_in) -> [y_0 | y_1 | ...], side "
      "by side in the last dim.")
      .def(py::init([](std::int64_t n_in, const py::typing::Dict<py::str, py::int_>& parts,
                       bool bias, float init_std) {
             nn::PackedLinear::Options options{
                 .in = n_in, .parts = {}, .bias = bias, .init_std = init_std};
             for (const auto& [name, out] : parts)
               options.parts.push_back({name.cast<std::string>(), out.cast<std::int64_t>()});
             return std::make_shared<nn::PackedLinear>(options);
           }),
           py::arg("n_in"), py::arg("parts"), py::kw_only(), py::arg("bias") = true,
           py::arg("init_std") = 0.02f,
           "parts: {name: n_out}, in their order: parameters \"<name>.weight\" (n_out, n_in) and "
           "\"<name>.bias\" (n_out) of their own, which lie one after the other in memory.");
}

void bind_convolutions(py::module_& m) {
  py::classh<nn::Conv1d, nn::Layer>(m, "Conv1d", "gt.conv1d of x (N, n_in, T).")
      .def(py::init([](std::int64_t n_in, std::int64_t n_out, std::int64_t kernel,
                       std::int64_t stride, std::int64_t padding, std::int64_t groups, bool bias) {
             return std::make_shared<nn::Conv1d>(nn::Conv1d::Options{
                 .in = n_in,
                 .out = n_out,
                 .kernel = kernel,
                 .conv = {.stride = stride, .padding = padding, .groups = groups},
                 .bias = bias});
           }),
           py::arg("n_in"), py::arg("n_out"), py::arg("kernel"), py::kw_only(),
           py::arg("stride") = 1, py::arg("padding") = 0, py::arg("groups") = 1,
           py::arg("bias") = true, "Parameters weight (n_out, n_in / groups, kernel) and bias.");
  py::classh<nn::Conv2d, nn::Layer>(m, "Conv2d", "gt.conv2d of x (N, n_in, H, W).")
      .def(py::init([](std::int64_t n_in, std::int64_t n_out, std::int64_t kernel,
                       std::int64_t stride, std::int64_t padding, std::int64_t groups, bool bias) {
             return std::make_shared<nn::Conv2d>(
                 nn::Conv2d::Options{.in = n_in,
                                     .out = n_out,
                                     .kernel = {kernel, kernel},
                                     .conv = {.stride = {stride, stride},
                                              .padding = {padding, padding},
                                              .groups = groups},
                                     .bias = bias});
           }),
           py::arg("n_in"), py::arg("n_out"), py::arg("kernel"), py::kw_only(),
           py::arg("stride") = 1, py::arg("padding") = 0, py::arg("groups") = 1,
           py::arg("bias") = true,
           "Parameters weight (n_out, n_in / groups, kernel, kernel), normal as in "
           "arXiv:1502.01852, "
           "and bias.");
  py::classh<nn::GroupNorm, nn::Layer>(m, "GroupNorm", "gt.group_norm of x (N, channels, ...).")
      .def(py::init<std::int64_t, std::int64_t, float, bool>(), py::arg("groups"),
           py::arg("channels"), py::kw_only(), py::arg("eps") = 1e-5f, py::arg("bias") = true,
           "Parameters weight (channels) of ones and bias of zeros.");
}

void bind_transformer(py::module_& m) {
  using Attention = nn::MultiHeadAttention;
  using Block = nn::TransformerBlock;
  py::classh<Attention, nn::Layer>(m, "MultiHeadAttention",
                                   "Attention of a sequence to itself, x (B, T, C) -> (B, T, C); "
                                   "arXiv:1706.03762. Children qkv and proj.")
      .def(py::init([](std::int64_t channels, std::int64_t heads, std::int64_t kv_heads,
                       bool causal, bool bias, float init_std) {
             return std::make_shared<Attention>(Attention::Options{.channels = channels,
                                                                   .heads = heads,
                                                                   .kv_heads = kv_heads,
                                                                   .causal = causal,
                                                                   .bias = bias,
                                                                   .init_std = init_std});
           }),
           py::arg("channels"), py::arg("heads"), py::kw_only(), py::arg("kv_heads") = 0,
           py::arg("causal") = false, py::arg("bias") = true, py::arg("init_std") = 0.02f,
           "kv_heads: fewer share keys and values; 0: heads. causal: a position sees itself and "
           "earlier ones only.");
  py::classh<Block, nn::Layer>(
      m, "TransformerBlock",
      "x + attn(norm_1(x)), then + mlp(norm_2(...)), x (B, T, C); arXiv:2002.04745.")
      .def(py::init([](std::int64_t channels, std::int64_t heads, bool causal, std::int64_t inner,
                       float dropout, float init_std) {
             return std::make_shared<Block>(Block::Options{.attention = {.channels = channels,
                                                                         .heads = heads,
                                                                         .causal = causal,
                                                                         .init_std = init_std},
                                                           .inner = inner,
                                                           .dropout = dropout});
           }),
           py::arg("channels"), py::arg("heads"), py::kw_only(), py::arg("causal") = false,
           py::arg("inner") = 0, py::arg("dropout") = 0.0f, py::arg("init_std") = 0.02f,
           "inner: of the MLP; 0: 4 channels. init_std: of every matrix.");
}

}  // namespace

void bind_layers(py::module_& m) {
  py::classh<nn::Linear, nn::Layer>(m, "Linear",
                                    "y = x W [+ b] [then GELU]; x (..., n_in), y (..., n_out).")
      .def(py::init([](std::int64_t n_in, std::int64_t n_out, bool bias, bool gelu,
                       const std::string& layout, float init_std) {
             return std::make_shared<nn::Linear>(nn::Linear::Options{.in = n_in,
                                                                     .out = n_out,
                                                                     .bias = bias,
                                                                     .layout = parse_layout(layout),
                                                                     .gelu = gelu,
                                                                     .init_std = init_std});
           }),
           py::arg("n_in"), py::arg("n_out"), py::kw_only(), py::arg("bias") = true,
           py::arg("gelu") = false, py::arg("layout") = "out_in", py::arg("init_std") = 0.02f,
           "Parameters weight (n_out, n_in), or (n_in, n_out) with layout \"in_out\", and bias "
           "(n_out).");
  bind_packed_linear(m);
  py::classh<nn::LayerNorm, nn::Layer>(m, "LayerNorm",
                                       "Layer normalisation over the last dim, arXiv:1607.06450.")
      .def(py::init<std::int64_t, float, bool>(), py::arg("channels"), py::kw_only(),
           py::arg("eps") = 1e-5f, py::arg("bias") = true,
           "Parameters weight (channels) of ones and bias (channels) of zeros.");
  py::classh<nn::Embedding, nn::Layer>(m, "Embedding",
                                       "A table of vectors: (B, T) tokens i32 -> (B, T, C).")
      .def(py::init<std::int64_t, std::int64_t, float>(), py::arg("count"), py::arg("channels"),
           py::kw_only(), py::arg("init_std") = 0.02f, "Parameter weight (count, channels).")
      .def_property_readonly("weight", &nn::Embedding::weight, "The table's parameter.");
  py::classh<nn::RmsNorm, nn::Layer>(
      m, "RmsNorm", "Root-mean-square normalisation over the last dim, arXiv:1910.07467.")
      .def(py::init<std::int64_t, float>(), py::arg("channels"), py::kw_only(),
           py::arg("eps") = 1e-6f, "Parameter weight (channels) of ones.");
  bind_convolutions(m);
  bind_sequential(m);
  bind_transformer(m);
}

}  // namespace gigatrain::python
