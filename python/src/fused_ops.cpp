// Fused ops of a transformer: ops/ops.h.

#include "common.h"
#include "gigatrain/base/philox.h"
#include "gigatrain/ops/ops.h"

namespace gigatrain::python {

ops::WeightLayout parse_layout(const std::string& layout) {
  if (layout == "out_in") return ops::WeightLayout::out_in;
  if (layout == "in_out") return ops::WeightLayout::in_out;
  throw Error(ErrorCode::invalid_argument,
              "unknown layout '" + layout + "': expected out_in or in_out");
}

namespace {

using MaybeTensor = std::optional<Tensor>;

void bind_dropout(py::module_& m) {
  py::class_<DropoutArgs>(
      m, "DropoutArgs",
      "How a mask is drawn: from Philox, by global position only, never stored. "
      "Made by BatchContext.dropout() or dropout_args().")
      .def_readonly("rate", &DropoutArgs::rate, "Probability that an element is dropped.");
  m.def(
      "dropout_args",
      [](float rate, std::uint64_t seed, std::uint32_t step, const std::string& name) {
        return DropoutArgs{.rate = rate, .key = random_key(seed, "dropout", name), .step = step};
      },
      py::arg("rate"), py::kw_only(), py::arg("seed"), py::arg("step"), py::arg("name") = "",
      "A mask of your own: a pure function of (seed, name, step, element).");
  m.def("dropout", &ops::dropout, Unlocked(), py::arg("x"), py::arg("args"),
        "x with elements dropped, the others scaled by 1 / (1 - rate).");
  m.def("residual_dropout", &ops::residual_dropout, Unlocked(), py::arg("residual"), py::arg("x"),
        py::arg("args"), "dropout(x) + residual, in one pass.");
}

void bind_norms(py::module_& m) {
  m.def(
      "layer_norm",
      [](const Tensor& x, const Tensor& weight, const MaybeTensor& bias, float eps) {
        return ops::layer_norm(x, weight, or_none(bias), eps);
      },
      Unlocked(), py::arg("x"), py::arg("weight"), py::arg("bias") = py::none(),
      py::arg("eps") = 1e-5f,
      "(x - mean) / sqrt(var + eps) * weight [+ bias] over the last dim; weight, bias (C) f32. "
      "arXiv:1607.06450.");
  m.def(
      "residual_norm",
      [](const Tensor& x, const Tensor& delta, const Tensor& weight, const MaybeTensor& bias,
         float eps, const DropoutArgs& dropout) {
        auto r = ops::residual_norm(x, delta, weight, or_none(bias), eps, dropout);
        return std::pair(std::move(r.sum), std::move(r.y));
      },
      Unlocked(), py::arg("x"), py::arg("delta"), py::arg("weight"), py::arg("bias") = py::none(),
      py::arg("eps") = 1e-5f, py::arg("dropout") = DropoutArgs{},
      "(sum, y): sum = x + dropout(delta), y = layer_norm(sum); one pass over memory.");
}

void bind_attention(py::module_& m) {
  m.def(
      "attention",
      [](const Tensor& q, const Tensor& k, const Tensor& v, bool causal, std::optional<float> scale,
         const std::vector<std::int64_t>& lengths) {
        return ops::attention(q, k, v, {.causal = causal, .scale = scale, .lengths = lengths});
      },
      Unlocked(), py::arg("q"), py::arg("k"), py::arg("v"), py::kw_only(), py::arg("causal") = true,
      py::arg("scale") = py::none(), py::arg("lengths") = std::vector<std::int64_t>{},
      "softmax(scale q k^T) v. q (B, Tq, H, D); k, v (B, Tk, Hkv, D), H a multiple of Hkv; result "
      "(B, Tq, H, D).\n\ncausal: query t sees keys up to t + Tk - Tq. scale: 1 / sqrt(D) by "
      "default. lengths: cut the B T positions, seen as one row, into sequences that attend to "
      "themselves only. Online softmax after arXiv:2205.14135.");
  m.def(
      "attention_packed",
      [](const Tensor& qkv, std::int64_t heads, std::int64_t kv_heads, bool causal,
         std::optional<float> scale, const std::vector<std::int64_t>& lengths) {
        return ops::attention_packed(qkv, heads, kv_heads,
                                     {.causal = causal, .scale = scale, .lengths = lengths});
      },
      Unlocked(), py::arg("qkv"), py::arg("heads"), py::arg("kv_heads"), py::kw_only(),
      py::arg("causal") = true, py::arg("scale") = py::none(),
      py::arg("lengths") = std::vector<std::int64_t>{},
      "attention() from one packed tensor (B, T, (H + 2 Hkv) D), as one product makes it; result "
      "(B, T, H D).");
}

}  // namespace

void bind_fused_ops(py::module_& m) {
  bind_dropout(m);
  bind_norms(m);
  bind_attention(m);
  m.def(
      "linear",
      [](const Tensor& x, const Tensor& weight, const MaybeTensor& bias, const std::string& layout,
         bool gelu) {
        return ops::linear(x, weight, or_none(bias),
                           {.layout = parse_layout(layout), .gelu = gelu});
      },
      Unlocked(), py::arg("x"), py::arg("weight"), py::arg("bias") = py::none(), py::kw_only(),
      py::arg("layout") = "out_in", py::arg("gelu") = false,
      "x W [+ bias] [then GELU, fused]; x (..., C_in), bias (C_out) f32, result (..., C_out). "
      "layout of the weight: \"out_in\" (C_out, C_in), or \"in_out\" (C_in, C_out), GPT-2's.");
  m.def("gelu", &ops::gelu, Unlocked(), py::arg("x"), "GELU in the tanh form, arXiv:1606.08415.");
  m.def(
      "embedding",
      [](const Tensor& tokens, const Tensor& table, const MaybeTensor& positions,
         std::int64_t first_position, const DropoutArgs& dropout) {
        return ops::embedding(tokens, table, or_none(positions), first_position, dropout);
      },
      Unlocked(), py::arg("tokens"), py::arg("table"), py::arg("positions") = py::none(),
      py::arg("first_position") = 0, py::arg("dropout") = DropoutArgs{},
      "dropout(table[tokens] + positions[first_position + t]); tokens (B, T) i32 in [0, V), table "
      "(V, C), positions (P, C); result (B, T, C). Raises DataError on a token out of range.");
  m.def("linear_cross_entropy", &ops::linear_cross_entropy, Unlocked(), py::arg("x"),
        py::arg("weight"), py::arg("targets"), py::arg("scale") = 1.0,
        "scale * sum over rows of cross_entropy(x weight^T, targets), without ever holding the "
        "(N, V) logits. x (..., C); weight (V, C); targets i32 in [0, V) or -1 (ignored), with the "
        "leading shape of x; result: a scalar f32. After arXiv:2411.09009.");
}

}  // namespace gigatrain::python
