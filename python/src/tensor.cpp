// gigatrain.Tensor, its dtype, and the ways to make one without numpy.

#include "gigatrain/tensor/tensor.h"

#include "common.h"
#include "gigatrain/ops/ops.h"
#include "operators.h"

namespace gigatrain::python {

namespace {

std::string text(const Tensor& t) {
  std::string out = "Tensor(shape=" + t.shape().str() + ", dtype=" + name(t.dtype()) +
                    ", device=" + device_text(t.device());
  if (t.requires_grad()) out += ", requires_grad";
  if (t.numel() > 1000) return out + ")";
  const py::object values = to_numpy(t.to(host_device()));
  return out + ")\n" + std::string(py::str(values));
}

py::object scalar(const Tensor& t) {
  double value = 0;
  {
    const py::gil_scoped_release unlocked;
    value = t.item();
  }
  if (is_floating(t.dtype())) return py::float_(value);
  return py::int_(static_cast<std::int64_t>(value));
}

void set_requires_grad(Tensor& t, bool wanted) {
  if (t.node())
    throw Error(ErrorCode::invalid_argument,
                "requires_grad is a property of inputs; this tensor was made by an op",
                "set it on t.detach()");
  if (wanted && !is_floating(t.dtype()))
    throw Error(ErrorCode::invalid_argument,
                std::string("only floating-point tensors have gradients, got ") + name(t.dtype()));
  if (wanted == t.requires_grad()) return;
  wanted ? t.require_grad() : t.set_leaf(nullptr);
}

Tensor gradient(const Tensor& t) {
  return t.leaf() && t.leaf()->filled ? t.leaf()->gradient : Tensor{};
}

void bind_dtype(py::module_& m) {
  py::enum_<DType> type(m, "DType",
                        "Element type of a tensor; wherever one is expected its name will do: "
                        "\"f32\". bf16 and f16 are storage, arithmetic happens in f32.");
  for (const auto d :
       {DType::f32, DType::f64, DType::bf16, DType::f16, DType::i32, DType::i64, DType::u8})
    type.value(name(d), d);
  type.export_values();
  type.def(py::init([](const std::string& text) { return parse_dtype(text); }));
  py::implicitly_convertible<py::str, DType>();
}

}  // namespace

void bind_tensor(py::module_& m) {
  bind_dtype(m);
  py::class_<Tensor> tensor(
      m, "Tensor",
      "Values on a device, and their place on the tape when a gradient is wanted. Made by "
      "tensor(), "
      "from_numpy(), from_dlpack(), zeros(), ... and by the functions of this module.");
  tensor.def_property_readonly("shape", &Tensor::shape, "Sizes, outermost first.")
      .def_property_readonly(
          "strides",
          [](const Tensor& t) {
            const auto& s = t.view().strides;
            return py::tuple(
                py::cast(std::vector<std::int64_t>(s.begin(), s.begin() + t.shape().dims())));
          },
          "Distance of neighbours along each dim, in elements.")
      .def_property_readonly(
          "ndim", [](const Tensor& t) { return t.shape().dims(); }, "Number of dims.")
      .def_property_readonly("size", &Tensor::numel, "Number of elements.")
      .def_property_readonly("dtype", &Tensor::dtype, "Element type, a DType.")
      .def_property_readonly("device", &Tensor::device, py::return_value_policy::reference,
                             "Where the values are.")
      .def_property_readonly(
          "is_contiguous", [](const Tensor& t) { return t.view().is_contiguous(); },
          "Row-major without gaps?")
      .def_property_readonly(
          "data_ptr",
          [](const Tensor& t) { return reinterpret_cast<std::uintptr_t>(t.view().data); },
          "Address of the first element, in the device's memory.")
      .def_property("requires_grad", &Tensor::requires_grad, &set_requires_grad,
                    "Is a gradient wanted through this tensor? Settable on inputs, not on results.")
      .def_property_readonly("grad", &gradient,
                             "The gradient collected so far, f32 (f64 of an f64 tensor), or None.")
      .def(
          "zero_grad",
          [](Tensor& t) {
            if (t.leaf()) t.leaf()->filled = false;
          },
          "Forgets the gradient collected so far.")
      .def("numpy", &to_numpy,
           "The values as a numpy array that shares the memory and keeps it alive; bf16 as "
           "ml_dtypes.bfloat16. Read-only when the tensor is on the tape. Raises InvalidArgument "
           "for a tensor of a GPU: t.to(\"cpu\").numpy().")
      .def(
          "__array__",
          [](const Tensor& t, const py::object& dtype, const py::object& copy) {
            const py::object a = to_numpy(t);
            if (!dtype.is_none()) return py::object(a.attr("astype")(dtype));
            return !copy.is_none() && copy.cast<bool>() ? py::object(a.attr("copy")()) : a;
          },
          py::arg("dtype") = py::none(), py::arg("copy") = py::none(), "For numpy.asarray().")
      .def("item", &scalar, "The value of a tensor of one element, as a Python number.")
      .def(
          "tolist", [](const Tensor& t) { return to_numpy(t.to(host_device())).attr("tolist")(); },
          "The values as nested lists of Python numbers.")
      .def("to", &Tensor::to, Unlocked(), py::arg("device"),
           "A copy on another device, not on the tape; the tensor itself when it is there.")
      .def("assign", &Tensor::assign, Unlocked(), py::arg("values"),
           "Overwrites the values with those of a tensor of the same shape, converting the dtype; "
           "not recorded on the tape.")
      .def("detach", &Tensor::detach, "The same memory, not on the tape.")
      .def(
          "backward",
          [](const Tensor& t, const std::optional<Tensor>& gradient) {
            const py::gil_scoped_release unlocked;
            backward(t, or_none(gradient));
          },
          py::arg("gradient") = py::none(),
          "Runs the tape back from this tensor: a scalar, or with its gradient given. Gradients "
          "are "
          "added up in the .grad of inputs and in the uses of parameters; the graph is freed.")
      .def("__getitem__", &index, py::arg("key"),
           "ints, slices of step 1, None and ...; a view where the memory allows.")
      .def("__len__",
           [](const Tensor& t) {
             if (t.shape().dims() == 0) throw py::type_error("len() of a scalar tensor");
             return t.shape()[0];
           })
      .def("__bool__", [](const Tensor& t) { return t.item() != 0; })
      .def("__float__", [](const Tensor& t) { return t.item(); })
      .def("__int__", [](const Tensor& t) { return static_cast<std::int64_t>(t.item()); })
      .def("__repr__", &text);
  bind_operators(tensor);
  bind_methods(tensor);

  m.def(
      "full",
      [](const Shape& shape, double value, DType dtype, Device* device) {
        Device& d = device_or_default(device);
        const py::gil_scoped_release unlocked;
        return Tensor::full(d, shape, value, dtype, {Purpose::data, "full"});
      },
      py::arg("shape"), py::arg("value"), py::arg("dtype") = DType::f32,
      py::arg("device") = py::none(),
      "A tensor of one value. Raises InvalidArgument for a value that an integer dtype cannot "
      "hold.");
  m.def(
      "zeros",
      [](const Shape& shape, DType dtype, Device* device) {
        Device& d = device_or_default(device);
        const py::gil_scoped_release unlocked;
        return Tensor::full(d, shape, 0.0, dtype, {Purpose::data, "zeros"});
      },
      py::arg("shape"), py::arg("dtype") = DType::f32, py::arg("device") = py::none(),
      "A tensor of zeros.");
  m.def(
      "empty",
      [](const Shape& shape, DType dtype, Device* device) {
        return Tensor::empty(device_or_default(device), shape, dtype, {Purpose::data, "empty"});
      },
      py::arg("shape"), py::arg("dtype") = DType::f32, py::arg("device") = py::none(),
      "Uninitialised memory, to be written by assign() or through numpy().");
}

}  // namespace gigatrain::python
