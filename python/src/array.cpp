// numpy and back. Sharing memory needs what our kernels need: native byte order, elements on their
// own alignment, strides that are whole, not negative numbers of elements.

#include <pybind11/numpy.h>

#include <array>

#include "common.h"

namespace gigatrain::python {

namespace {

constexpr const char* kNames = "float32, float64, float16, bfloat16, int32, int64, uint8 or bool";

[[noreturn]] void refuse(const std::string& message, const std::string& next) {
  throw Error(ErrorCode::invalid_argument, message, next);
}

py::dtype numpy_dtype(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return py::dtype("float32");
    case DType::f64:
      return py::dtype("float64");
    case DType::f16:
      return py::dtype("float16");
    case DType::bf16:
      return py::dtype::from_args(py::module_::import("ml_dtypes").attr("bfloat16"));
    case DType::i32:
      return py::dtype("int32");
    case DType::i64:
      return py::dtype("int64");
    case DType::u8:
      return py::dtype("uint8");
  }
  return py::dtype("float32");
}

std::string name_of(const py::dtype& dtype) {
  return py::str(dtype.attr("name"));
}

void require_native(const py::dtype& dtype) {
  if (!dtype.attr("isnative").cast<bool>())
    refuse("the array's bytes are in the order of another machine (dtype '" +
               std::string(py::str(dtype.attr("str"))) + "')",
           "a.astype(a.dtype.newbyteorder('='))");
}

DType our_dtype(const py::dtype& dtype) {
  require_native(dtype);
  const std::string given = name_of(dtype);
  if (given == "bool") return DType::u8;
  if (given == "bfloat16") return DType::bf16;
  const std::array<std::pair<const char*, DType>, 6> known{{{"float32", DType::f32},
                                                            {"float64", DType::f64},
                                                            {"float16", DType::f16},
                                                            {"int32", DType::i32},
                                                            {"int64", DType::i64},
                                                            {"uint8", DType::u8}}};
  for (const auto& [numpy, ours] : known)
    if (given == numpy) return ours;
  refuse("the array's dtype must be " + std::string(kNames) + ", got " + given,
         "a.astype(...) first");
}

}  // namespace

DType dtype_of_array(const py::object& array) {
  return our_dtype(array.attr("dtype").cast<py::dtype>());
}

namespace {

Shape shape_of(const py::array& a) {
  Shape shape;
  for (py::ssize_t i = 0; i < a.ndim(); ++i) shape.push_back(a.shape(i));
  return shape;
}

// The window that shares the array's memory, or an error that says why there is none.
TensorView view_of(const py::array& a) {
  TensorView view(nullptr, our_dtype(a.dtype()), shape_of(a));
  if (!a.writeable())
    refuse("the array is read-only, and a tensor that shares it could be written to",
           "gt.tensor(a), which copies");
  view.data = const_cast<void*>(a.data());
  const auto item = size_of(view.dtype);
  if (reinterpret_cast<std::uintptr_t>(view.data) % static_cast<std::size_t>(item) != 0)
    refuse("the array's memory is not aligned to its " + std::to_string(item) + "-byte elements",
           "gt.tensor(a), which copies");
  for (int i = 0; i < view.shape.dims(); ++i) {
    const auto stride = a.strides(i);
    if (view.shape[i] > 1 && (stride < 0 || stride % item != 0))
      refuse("strides must be whole numbers of elements and not negative, got " +
                 std::to_string(stride) + " bytes in dim " + std::to_string(i),
             "gt.tensor(a), which copies, or numpy.ascontiguousarray(a)");
    view.strides[static_cast<std::size_t>(i)] = stride / item;
  }
  return view;
}

py::array as_array(const py::object& data) {
  return py::module_::import("numpy").attr("asarray")(data).cast<py::array>();
}

// Python numbers become f32 and, where they fit, i32: what layers and token ids are made of.
DType default_dtype(const py::array& a) {
  const std::string given = name_of(a.dtype());
  if (given == "float64") return DType::f32;
  if (given != "int64") return our_dtype(a.dtype());
  if (a.size() == 0) return DType::i32;
  const auto low = a.attr("min")().cast<std::int64_t>(),
             high = a.attr("max")().cast<std::int64_t>();
  return low >= INT32_MIN && high <= INT32_MAX ? DType::i32 : DType::i64;
}

}  // namespace

Tensor tensor_from_object(const py::object& data, std::optional<DType> dtype, Device& device) {
  const py::object numpy = py::module_::import("numpy");
  const bool numbers = !py::hasattr(data, "dtype");  // neither an array nor a numpy scalar
  py::array a = as_array(data);
  require_native(a.dtype());
  const DType target = dtype ? *dtype : numbers ? default_dtype(a) : our_dtype(a.dtype());
  our_dtype(a.dtype());
  // Not ascontiguousarray, which gives a scalar a dim.
  a = numpy.attr("asarray")(a, py::arg("dtype") = numpy_dtype(target), py::arg("order") = "C")
          .cast<py::array>();
  Tensor t = Tensor::empty(device, shape_of(a), target, {Purpose::data, "tensor"});
  const void* from = a.data();
  const py::gil_scoped_release unlocked;
  device.upload(t.view().data, from, t.view().bytes());
  return t;
}

Tensor tensor_from_numpy(const py::object& object) {
  if (!py::isinstance<py::array>(object))
    refuse("from_numpy() takes a numpy.ndarray, got " +
               std::string(py::str(py::type::of(object).attr("__name__"))),
           "gt.tensor(data), which copies what numpy understands");
  const auto a = py::reinterpret_borrow<py::array>(object);
  const TensorView view = view_of(a);
  auto owner = std::make_shared<Held>(a);
  return Tensor::wrap(
      host_device(), Storage::borrow(view.data, view.bytes(), [owner = std::move(owner)] {}), view);
}

py::object to_numpy(const Tensor& t) {
  if (!t.device().host_memory())
    refuse("numpy cannot see the memory of device '" + device_text(t.device()) + "'",
           "t.to(\"cpu\").numpy()");
  const TensorView& v = t.view();
  std::vector<py::ssize_t> shape, strides;
  for (int i = 0; i < v.shape.dims(); ++i) {
    shape.push_back(v.shape[i]);
    strides.push_back(v.strides[static_cast<std::size_t>(i)] * size_of(v.dtype));
  }
  const py::capsule owner(new Tensor(t.detach()), [](void* p) { delete static_cast<Tensor*>(p); });
  py::array out(numpy_dtype(v.dtype), shape, strides, v.data, owner);
  if (t.requires_grad()) out.attr("setflags")(py::arg("write") = false);  // the tape may need it
  return out;
}

void bind_array(py::module_& m) {
  m.def(
      "tensor",
      [](const py::object& data, std::optional<DType> dtype, Device* device, bool requires_grad) {
        Tensor t = tensor_from_object(data, dtype, device_or_default(device));
        if (requires_grad) t.require_grad();
        return t;
      },
      py::arg("data"), py::arg("dtype") = py::none(), py::arg("device") = py::none(),
      py::arg("requires_grad") = false,
      "A copy of numbers, nested lists, or anything numpy understands, on a device.\n\n"
      "dtype: that of an array; Python's floats become f32, its ints i32 (i64 if they need it).\n"
      "requires_grad: collect a gradient in .grad.\n"
      "Raises InvalidArgument for a dtype or byte order that tensors do not have.");
  m.def("from_numpy", &tensor_from_numpy, py::arg("array"),
        "A CPU tensor that shares the array's memory and keeps it alive; strides are kept.\n\n"
        "Raises InvalidArgument for arrays that are read-only, of another byte order, of a dtype "
        "that tensors do not have, not aligned to their elements, or with negative strides; "
        "tensor() copies all but the dtype.");
}

}  // namespace gigatrain::python
