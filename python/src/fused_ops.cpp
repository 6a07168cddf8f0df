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

}  // namespace

void bind_fused_ops(py::module_& m) {
  bind_dropout(m);
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
  m.def(
      "swiglu",
      [](const Tensor& gate, const MaybeTensor& up) {
        return up ? ops::swiglu(gate, *up) : ops::swiglu(gate);
      },
      Unlocked(), py::arg("gate"), py::arg("up") = py::none(),
      "silu(gate) * up, arXiv:2002.05202; gate, up (..., F). Or of one packed tensor (..., 2 F), "
      "gate first.");
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
}

}  // namespace gigatrain::python
