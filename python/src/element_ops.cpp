// Element by element, and elements picked by an index: ops/elementwise.h, ops/index.h.

#include "common.h"
#include "gigatrain/ops/elementwise.h"
#include "gigatrain/ops/index.h"
#include "gigatrain/ops/ops.h"

namespace gigatrain::python {

namespace {

void bind_elements(py::module_& m) {
  const auto unary = [&](const char* name, Tensor (*op)(const Tensor&), const char* doc) {
    m.def(name, op, Unlocked(), py::arg("x"), doc);
  };
  unary("neg", &ops::neg, "-x.");
  unary("abs", &ops::abs, "|x|; its derivative at 0 is 0.");
  unary("sqrt", &ops::sqrt, "Square root.");
  unary("sigmoid", &ops::sigmoid, "1 / (1 + exp(-x)).");
  unary("relu", &ops::relu, "max(x, 0); its derivative at 0 is 0.");
  unary("silu", &ops::silu, "x sigmoid(x), arXiv:1702.03118.");
  unary("softmax", &ops::softmax, "exp(x) / sum of exp(x) over the last dim.");
  unary("log_softmax", &ops::log_softmax, "log(softmax(x)) over the last dim.");
  m.def("pow", &ops::pow, Unlocked(), py::arg("x"), py::arg("exponent"),
        "x to a finite power; a negative x with an exponent that is no integer gives NaN.");
  const auto binary = [&](const char* name, Tensor (*op)(const Tensor&, const Tensor&),
                          const char* doc) {
    m.def(name, op, Unlocked(), py::arg("a"), py::arg("b"), doc);
  };
  binary("maximum", &ops::maximum, "The larger; where equal, each gets half of the gradient.");
  binary("minimum", &ops::minimum, "The smaller; where equal, each gets half of the gradient.");
  binary("equal", &ops::equal, "1 where a == b, else 0, as u8; no gradient.");
  binary("greater", &ops::greater, "1 where a > b, else 0, as u8; no gradient.");
  binary("less", &ops::less, "1 where a < b, else 0, as u8; no gradient.");
  m.def("where", &ops::where, Unlocked(), py::arg("mask"), py::arg("a"), py::arg("b"),
        "mask ? a : b; mask u8, true when not 0. All three broadcast.");
}

}  // namespace

void bind_element_ops(py::module_& m) {
  bind_elements(m);
  m.def(
      "max", [](const Tensor& x, const Dims& dims) { return ops::max(x, list_of(dims)); },
      Unlocked(), py::arg("x"), py::arg("dims") = std::vector<int>{},
      "The largest over the dims, which stay with size 1, or of everything. Elements that share "
      "the maximum share its gradient.");
  m.def(
      "top_k",
      [](const Tensor& x, std::int64_t k) {
        ops::TopK t = ops::top_k(x, k);
        return std::pair(std::move(t.values), std::move(t.indices));
      },
      Unlocked(), py::arg("x"), py::arg("k"),
      "(values, indices i32), both (..., k): the k largest of the last dim, descending.");
  m.def("argmax", &ops::argmax, Unlocked(), py::arg("x"),
        "Where the largest of the last dim is, the first of equal ones: (..., C) to (...) i32.");
  m.def(
      "gather", &ops::gather, Unlocked(), py::arg("x"), py::arg("dim"), py::arg("index"),
      "y[.., k, ..] = x[.., index[.., k, ..], ..] along dim; index i32 has x's shape but for that "
      "dim. Raises DataError on an index out of range.");
  m.def("take", &ops::take, Unlocked(), py::arg("x"), py::arg("index"),
        "Rows of x (V, ...): index i32 of any shape; result index.shape + x.shape[1:].");
  m.def("one_hot", &ops::one_hot, Unlocked(), py::arg("index"), py::arg("classes"),
        py::arg("dtype") = DType::f32,
        "(..., classes): 1 where the class is index (...), else 0; an index out of range: zeros.");
  m.def("concat", &ops::concat, Unlocked(), py::arg("tensors"), py::arg("dim"),
        "One after the other along dim; the other sizes are equal.");
  m.def("permute", &ops::permute, Unlocked(), py::arg("x"), py::arg("dims"),
        "A view: dim i is x's dims[i].");
}

}  // namespace gigatrain::python
