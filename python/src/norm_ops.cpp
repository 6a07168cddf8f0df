// Normalisations.

#include "common.h"
#include "gigatrain/ops/ops.h"

namespace gigatrain::python {

namespace {

using Pair = std::pair<Tensor, Tensor>;

Pair pair(ops::ResidualNorm r) {
  return {std::move(r.sum), std::move(r.y)};
}

}  // namespace

void bind_norm_ops(py::module_& m) {
  m.def(
      "layer_norm",
      [](const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias, float eps) {
        return ops::layer_norm(x, weight, or_none(bias), eps);
      },
      Unlocked(), py::arg("x"), py::arg("weight"), py::arg("bias") = py::none(),
      py::arg("eps") = 1e-5f,
      "(x - mean) / sqrt(var + eps) * weight [+ bias] over the last dim; weight, bias (C) f32. "
      "arXiv:1607.06450.");
  m.def(
      "residual_norm",
      [](const Tensor& x, const Tensor& delta, const Tensor& weight,
         const std::optional<Tensor>& bias, float eps, const DropoutArgs& dropout) {
        return pair(ops::residual_norm(x, delta, weight, or_none(bias), eps, dropout));
      },
      Unlocked(), py::arg("x"), py::arg("delta"), py::arg("weight"), py::arg("bias") = py::none(),
      py::arg("eps") = 1e-5f, py::arg("dropout") = DropoutArgs{},
      "(sum, y): sum = x + dropout(delta), y = layer_norm(sum); one pass over memory.");
  m.def("rms_norm", &ops::rms_norm, Unlocked(), py::arg("x"), py::arg("weight"),
        py::arg("eps") = 1e-6f,
        "x / sqrt(mean(x^2) + eps) * weight over the last dim; weight (C) f32. arXiv:1910.07467.");
  m.def(
      "residual_rms_norm",
      [](const Tensor& x, const Tensor& delta, const Tensor& weight, float eps,
         const DropoutArgs& dropout) {
        return pair(ops::residual_rms_norm(x, delta, weight, eps, dropout));
      },
      Unlocked(), py::arg("x"), py::arg("delta"), py::arg("weight"), py::arg("eps") = 1e-6f,
      py::arg("dropout") = DropoutArgs{},
      "(sum, y): sum = x + dropout(delta), y = rms_norm(sum); one pass over memory.");
  m.def(
      "group_norm",
      [](const Tensor& x, std::int64_t groups, const Tensor& weight,
         const std::optional<Tensor>& bias,
         float eps) { return ops::group_norm(x, groups, weight, or_none(bias), eps); },
      Unlocked(), py::arg("x"), py::arg("groups"), py::arg("weight"), py::arg("bias") = py::none(),
      py::arg("eps") = 1e-5f,
      "Normalised over each of `groups` runs of C / groups channels and all positions; x (N, C, "
      "...); weight, bias (C) f32. arXiv:1803.08494.");
}

}  // namespace gigatrain::python
