// Attention and rotary positions.

#include "common.h"
#include "gigatrain/ops/ops.h"

namespace gigatrain::python {

namespace {

using MaybeTensor = std::optional<Tensor>;
using Lengths = std::vector<std::int64_t>;

void bind_attention(py::module_& m) {
  m.def(
      "attention",
      [](const Tensor& q, const Tensor& k, const Tensor& v, bool causal, std::optional<float> scale,
         const Lengths& lengths, const MaybeTensor& mask, const MaybeTensor& segments) {
        return ops::attention(q, k, v,
                              {.causal = causal,
                               .scale = scale,
                               .lengths = lengths,
                               .mask = or_none(mask),
                               .segments = or_none(segments)});
      },
      Unlocked(), py::arg("q"), py::arg("k"), py::arg("v"), py::kw_only(), py::arg("causal") = true,
      py::arg("scale") = py::none(), py::arg("lengths") = Lengths{}, py::arg("mask") = py::none(),
      py::arg("segments") = py::none(),
      "softmax(scale q k^T + mask) v. q (B, Tq, H, D); k, v (B, Tk, Hkv, D), H a multiple of Hkv; "
      "result (B, Tq, H, D).\n\ncausal: query t sees keys up to t + Tk - Tq. scale: 1 / sqrt(D) by "
      "default. lengths: cut the B T positions, seen as one row, into sequences that attend to "
      "themselves only. mask: broadcast to (B, H, Tq, Tk); u8: 1 where a query attends to a key, "
      "f32 or bf16: added to the scores. segments: (B, T) i32, attend within equal ids only. A "
      "query that sees no key gives zeros. Online softmax after arXiv:2205.14135.");
  m.def(
      "attention_packed",
      [](const Tensor& qkv, std::int64_t heads, std::int64_t kv_heads, bool causal,
         std::optional<float> scale, const Lengths& lengths, const MaybeTensor& mask,
         const MaybeTensor& segments) {
        return ops::attention_packed(qkv, heads, kv_heads,
                                     {.causal = causal,
                                      .scale = scale,
                                      .lengths = lengths,
                                      .mask = or_none(mask),
                                      .segments = or_none(segments)});
      },
      Unlocked(), py::arg("qkv"), py::arg("heads"), py::arg("kv_heads"), py::kw_only(),
      py::arg("causal") = true, py::arg("scale") = py::none(), py::arg("lengths") = Lengths{},
      py::arg("mask") = py::none(), py::arg("segments") = py::none(),
      "attention() from one packed tensor (B, T, (H + 2 Hkv) D), as one product makes it; result "
      "(B, T, H D).");
}

ops::RopeLayout parse_rope_layout(const std::string& layout) {
  if (layout == "half") return ops::RopeLayout::half;
  if (layout == "interleaved") return ops::RopeLayout::interleaved;
  throw Error(ErrorCode::invalid_argument,
              "unknown layout '" + layout + "': expected half or interleaved");
}

ops::RopeScaling::Kind parse_scaling(const std::string& kind) {
  using Kind = ops::RopeScaling::Kind;
  for (const auto& [name, k] : {std::pair{"none", Kind::none},
                                {"linear", Kind::linear},
                                {"dynamic", Kind::dynamic},
                                {"llama3", Kind::llama3},
                                {"yarn", Kind::yarn}})
    if (kind == name) return k;
  throw Error(ErrorCode::invalid_argument,
              "unknown scaling '" + kind + "': expected none, linear, dynamic, llama3 or yarn");
}

void bind_options(py::module_& m) {
  using Scaling = ops::RopeScaling;
  const Scaling d;
  py::class_<Scaling>(
      m, "RopeScaling",
      "How rotary frequencies change for contexts longer than the model was trained "
      "on: the kinds and fields of Hugging Face's rope_scaling.")
      .def(py::init([](const std::string& kind, double factor, std::int64_t original_positions,
                       double low, double high, double beta_fast, double beta_slow,
                       std::optional<double> attention_factor, double mscale, double mscale_all,
                       bool truncate) {
             return Scaling{parse_scaling(kind),
                            factor,
                            original_positions,
                            low,
                            high,
                            beta_fast,
                            beta_slow,
                            attention_factor,
                            mscale,
                            mscale_all,
                            truncate};
           }),
           py::arg("kind"), py::kw_only(), py::arg("factor") = d.factor,
           py::arg("original_positions") = d.original_positions,
           py::arg("low_freq_factor") = d.low_freq_factor,
           py::arg("high_freq_factor") = d.high_freq_factor, py::arg("beta_fast") = d.beta_fast,
           py::arg("beta_slow") = d.beta_slow, py::arg("attention_factor") = d.attention_factor,
           py::arg("mscale") = d.mscale, py::arg("mscale_all_dim") = d.mscale_all_dim,
           py::arg("truncate") = d.truncate,
           "kind: none, linear, dynamic, llama3 or yarn (arXiv:2309.00071). original_positions: "
           "needed by the last three.");
  using Options = ops::RopeOptions;
  py::class_<Options>(m, "RopeOptions", "How queries and keys are turned.")
      .def(py::init([](const std::string& layout, double theta, std::int64_t rotary_dims,
                       std::int64_t first_position, const MaybeTensor& positions,
                       const Scaling& scaling) {
             return Options{parse_rope_layout(layout), theta,  rotary_dims, first_position,
                            or_none(positions),        scaling};
           }),
           py::kw_only(), py::arg("layout") = "half", py::arg("theta") = 10000.0,
           py::arg("rotary_dims") = 0, py::arg("first_position") = 0,
           py::arg("positions") = py::none(), py::arg("scaling") = Scaling{},
           "layout: \"half\" pairs (i, i + R / 2), as Hugging Face's Llama; \"interleaved\" (2 i, "
           "2 i + 1), as GPT-J. rotary_dims: R; 0: all D. positions: (B, T) i32, else "
           "first_position + t.");
}

}  // namespace

void bind_attention_ops(py::module_& m) {
  bind_attention(m);
  bind_options(m);
  m.def("rope", &ops::rope, Unlocked(), py::arg("x"), py::arg("options") = ops::RopeOptions{},
        "Rotary position embedding of x (B, T, H, D), arXiv:2104.09864.");
  m.def(
      "qk_norm_rope",
      [](const Tensor& qkv, std::int64_t heads, std::int64_t kv_heads,
         const ops::RopeOptions& options, const MaybeTensor& q_weight, const MaybeTensor& k_weight,
         float eps) {
        return ops::qk_norm_rope(qkv, heads, kv_heads, options, or_none(q_weight),
                                 or_none(k_weight), eps);
      },
      Unlocked(), py::arg("qkv"), py::arg("heads"), py::arg("kv_heads"),
      py::arg("options") = ops::RopeOptions{}, py::arg("q_weight") = py::none(),
      py::arg("k_weight") = py::none(), py::arg("eps") = 1e-6f,
      "The queries and keys of a packed qkv (B, T, (H + 2 Hkv) D): each head RMS-normalised where "
      "a "
      "weight (D) f32 is given (arXiv:2010.04245), then turned; values stay.");
}

}  // namespace gigatrain::python
