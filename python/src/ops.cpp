// Basic ops: ops/ops.h, one line each.

#include "gigatrain/ops/ops.h"

#include "common.h"

namespace gigatrain::python {

void bind_ops(py::module_& m) {
  const auto binary = [&](const char* name, Tensor (*op)(const Tensor&, const Tensor&),
                          const char* doc) {
    m.def(name, op, Unlocked(), py::arg("a"), py::arg("b"), doc);
  };
  binary("add", &ops::add, "a + b; f32, bf16, f16 or f64, sizes broadcast as in numpy.");
  binary("sub", &ops::sub, "a - b; f32, bf16, f16 or f64, sizes broadcast as in numpy.");
  binary("mul", &ops::mul, "a * b; f32, bf16, f16 or f64, sizes broadcast as in numpy.");
  binary("div", &ops::div, "a / b; f32, bf16, f16 or f64, sizes broadcast as in numpy.");
  binary("matmul", &ops::matmul, "(M, K) x (K, N), or (B, M, K) x (B, K, N).");

  const auto unary = [&](const char* name, Tensor (*op)(const Tensor&), const char* doc) {
    m.def(name, op, Unlocked(), py::arg("x"), doc);
  };
  unary("exp", &ops::exp, "e to the power of x.");
  unary("log", &ops::log, "Natural logarithm.");
  unary("tanh", &ops::tanh, "Hyperbolic tangent.");
  unary("rsqrt", &ops::rsqrt, "1 / sqrt(x).");
  unary("contiguous", &ops::contiguous, "Row-major; x itself when it already is.");

  m.def("scale", &ops::scale, Unlocked(), py::arg("x"), py::arg("factor"), "factor * x.");
  m.def(
      "sum", [](const Tensor& x, const Dims& dims) { return ops::sum(x, list_of(dims)); },
      Unlocked(), py::arg("x"), py::arg("dims") = std::vector<int>{},
      "Over the dims, one or several (negative counts from the end), which stay with size 1; of "
      "everything when "
      "none is given: a scalar of shape ().");
  m.def(
      "mean", [](const Tensor& x, const Dims& dims) { return ops::mean(x, list_of(dims)); },
      Unlocked(), py::arg("x"), py::arg("dims") = std::vector<int>{},
      "Like sum(), divided by the number of elements.");
  m.def("reshape", &ops::reshape, Unlocked(), py::arg("x"), py::arg("shape"),
        "The same values in another shape; the same memory when x is contiguous.");
  m.def("slice", &ops::slice, Unlocked(), py::arg("x"), py::arg("dim"), py::arg("begin"),
        py::arg("end"), "[begin, end) of one dim: a view. x[begin:end] does the same.");
  m.def("transpose", &ops::transpose, Unlocked(), py::arg("x"), py::arg("dim0"), py::arg("dim1"),
        "A view with two dims exchanged.");
  m.def("cast", &ops::cast, Unlocked(), py::arg("x"), py::arg("dtype"),
        "Converted to f32, bf16, f16 or f64; the gradient is converted back.");
}

}  // namespace gigatrain::python
