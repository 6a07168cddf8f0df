// Losses: each returns scale * the SUM over elements or rows, a scalar.

#include "common.h"
#include "gigatrain/ops/losses.h"

namespace gigatrain::python {

void bind_loss_ops(py::module_& m) {
  m.def("mse_loss", &ops::mse_loss, Unlocked(), py::arg("x"), py::arg("target"),
        py::arg("scale") = 1.0,
        "scale * sum of (x - target)^2; target of x's shape. scale = 1 / x.size: the mean.");
  m.def("huber_loss", &ops::huber_loss, Unlocked(), py::arg("x"), py::arg("target"),
        py::arg("delta") = 1.0, py::arg("scale") = 1.0,
        "scale * sum of e^2 / 2 where |e| = |x - target| <= delta, else delta (|e| - delta / 2) "
        "(Huber, 1964).");
  m.def("binary_cross_entropy", &ops::binary_cross_entropy, Unlocked(), py::arg("logits"),
        py::arg("target"), py::arg("scale") = 1.0, py::arg("pos_weight") = 1.0,
        "scale * sum of -(pos_weight t log sigmoid(x) + (1 - t) log(1 - sigmoid(x))) of logits x "
        "and targets t in [0, 1]; no logit overflows. Raises DataError on a target out of range.");
  m.def(
      "cross_entropy",
      [](const Tensor& logits, const Tensor& targets, double scale, double label_smoothing,
         double z_loss) {
        return ops::cross_entropy(logits, targets, scale, {label_smoothing, z_loss});
      },
      Unlocked(), py::arg("logits"), py::arg("targets"), py::arg("scale") = 1.0, py::kw_only(),
      py::arg("label_smoothing") = 0.0, py::arg("z_loss") = 0.0,
      "scale * sum over rows of -log softmax(logits)[target]; logits (..., V), targets i32 in [0, "
      "V) or -1 (ignored), with the leading shape of logits.\n\nlabel_smoothing: in [0, 1), "
      "arXiv:1512.00567. z_loss: adds z_loss * logsumexp(logits)^2, arXiv:2204.02311. Raises "
      "DataError on a target out of range.");
  m.def(
      "linear_cross_entropy",
      [](const Tensor& x, const Tensor& weight, const Tensor& targets, double scale,
         double label_smoothing, double z_loss) {
        return ops::linear_cross_entropy(x, weight, targets, scale, {label_smoothing, z_loss});
      },
      Unlocked(), py::arg("x"), py::arg("weight"), py::arg("targets"), py::arg("scale") = 1.0,
      py::kw_only(), py::arg("label_smoothing") = 0.0, py::arg("z_loss") = 0.0,
      "cross_entropy(x weight^T, targets) without ever holding the (N, V) logits; x (..., C), "
      "weight (V, C). After arXiv:2411.09009.");
}

}  // namespace gigatrain::python
