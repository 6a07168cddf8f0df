#include "operators.h"

#include <algorithm>

#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"

namespace gigatrain::python {

namespace {

using Binary = Tensor (*)(const Tensor&, const Tensor&);

Tensor whole_number(Device& device, double value) {
  const auto n = static_cast<std::int64_t>(std::clamp(value, -2147483648.0, 2147483647.0));
  if (static_cast<double>(n) != value)
    throw Error(ErrorCode::invalid_argument,
                "an i32 tensor goes with whole numbers of 32 bits, got " + std::to_string(value));
  return Tensor::from<std::int32_t>(device, {}, std::vector{static_cast<std::int32_t>(n)});
}

Tensor scalar_like(const Tensor& x, double value) {
  if (x.dtype() == DType::i32) return whole_number(x.device(), value);
  return Tensor::full(x.device(), {}, value, x.dtype(), {Purpose::activations, "scalar"});
}

// name and its reflected form, for tensors and numbers.
template <Binary op>
void bind_binary(py::class_<Tensor>& t, const std::string& name) {
  t.def(("__" + name + "__").c_str(), op, Unlocked(), py::is_operator());
  t.def(("__" + name + "__").c_str(),
        [](const Tensor& a, double b) { return op(a, scalar_like(a, b)); }, Unlocked(),
        py::is_operator());
  t.def(("__r" + name + "__").c_str(), [](const Tensor& b, const Tensor& a) { return op(a, b); },
        Unlocked(), py::is_operator());
  t.def(("__r" + name + "__").c_str(),
        [](const Tensor& b, double a) { return op(scalar_like(b, a), b); }, Unlocked(),
        py::is_operator());
}

// Elements as u8. Python reflects a number's comparison by itself: 1 < t is t > 1.
template <Binary op>
void bind_comparison(py::class_<Tensor>& t, const char* name) {
  t.def(name, op, Unlocked(), py::is_operator());
  t.def(
      name, [](const Tensor& a, double b) { return op(a, scalar_like(a, b)); }, Unlocked(),
      py::is_operator());
}

Tensor opposite(const Tensor& mask) {
  const auto number = [&](double v) { return Tensor::full(mask.device(), {}, v, DType::f32); };
  return ops::equal(ops::where(mask, number(1), number(0)), number(0));
}
Tensor not_equal(const Tensor& a, const Tensor& b) {
  return opposite(ops::equal(a, b));
}
// Where either is NaN: false, which the opposite of `less` would not be.
Tensor greater_equal(const Tensor& a, const Tensor& b) {
  if (a.dtype() == DType::i32) return opposite(ops::less(a, b));
  const NoGrad off;
  return ops::equal(ops::maximum(a, b), a);
}
Tensor less_equal(const Tensor& a, const Tensor& b) {
  return greater_equal(b, a);
}

Tensor mul_number(const Tensor& a, double b) {
  return ops::scale(a, b);
}

}  // namespace

void bind_operators(py::class_<Tensor>& t) {
  t.def("__mul__", &mul_number, Unlocked(), py::is_operator());
  t.def("__rmul__", &mul_number, Unlocked(), py::is_operator());
  bind_binary<&ops::add>(t, "add");
  bind_binary<&ops::sub>(t, "sub");
  bind_binary<&ops::mul>(t, "mul");
  bind_binary<&ops::div>(t, "truediv");
  t.def("__matmul__", &ops::matmul, Unlocked(), py::is_operator());
  t.def(
      "__rmatmul__", [](const Tensor& b, const Tensor& a) { return ops::matmul(a, b); }, Unlocked(),
      py::is_operator());
  t.def("__pow__", &ops::pow, Unlocked(), py::is_operator());
  bind_comparison<&ops::equal>(t, "__eq__");
  bind_comparison<&ops::greater>(t, "__gt__");
  bind_comparison<&ops::less>(t, "__lt__");
  bind_comparison<&not_equal>(t, "__ne__");
  bind_comparison<&greater_equal>(t, "__ge__");
  bind_comparison<&less_equal>(t, "__le__");
  t.attr("__hash__") = py::module_::import("builtins").attr("object").attr("__hash__");
  t.def("__neg__", &ops::neg, Unlocked());
}

void bind_methods(py::class_<Tensor>& t) {
  t.def("reshape", &ops::reshape, Unlocked(), py::arg("shape"),
        "The same values in another shape; the same memory when contiguous.");
  t.def("transpose", &ops::transpose, Unlocked(), py::arg("dim0"), py::arg("dim1"),
        "A view with two dims exchanged.");
  t.def("contiguous", &ops::contiguous, Unlocked(), "Row-major; the tensor itself when it is.");
  t.def("cast", &ops::cast, Unlocked(), py::arg("dtype"), "Converted to f32, bf16, f16 or f64.");
  t.def(
      "sum", [](const Tensor& x, const Dims& dims) { return ops::sum(x, list_of(dims)); },
      Unlocked(), py::arg("dims") = std::vector<int>{},
      "Over the dims (kept, with size 1), or of everything: a scalar.");
  t.def(
      "mean", [](const Tensor& x, const Dims& dims) { return ops::mean(x, list_of(dims)); },
      Unlocked(), py::arg("dims") = std::vector<int>{},
      "Over the dims (kept, with size 1), or of everything: a scalar.");
}

}  // namespace gigatrain::python
