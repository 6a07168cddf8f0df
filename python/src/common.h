// Shared by the files of the binding: who registers what, how shapes and tensors cross the border,
// and the two rules for threads:
//   - whatever computes or waits runs without the interpreter's lock (`Unlocked`)
//   - C++ that holds a Python object holds it through `Held`, which may be dropped by any thread
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "gigatrain/gigatrain.h"

namespace gigatrain::python {

namespace py = pybind11;
using Unlocked = py::call_guard<py::gil_scoped_release>;

// One for each area, in the order in which module.cpp calls them.
void bind_errors(py::module_& m);
void bind_device(py::module_& m);
void bind_tensor(py::module_& m);
void bind_array(py::module_& m);
void bind_dlpack(py::module_& m);
void bind_parameter(py::module_& m);
void bind_tape(py::module_& m);
void bind_function(py::module_& m);
void bind_ops(py::module_& m);
void bind_fused_ops(py::module_& m);
void bind_norm_ops(py::module_& m);
void bind_attention_ops(py::module_& m);
void bind_conv_ops(py::module_& m);
void bind_loss_ops(py::module_& m);
void bind_element_ops(py::module_& m);
void bind_nn(py::module_& m);
void bind_optim(py::module_& m);
void bind_config(py::module_& m);
void bind_text(py::module_& m);
void bind_batches(py::module_& m);
void bind_ranks(py::module_& m);
void bind_data_parallel(py::module_& m);
void bind_debug(py::module_& m);
void bind_trainer(py::module_& m);
void bind_run(py::module_& m);
void bind_report(py::module_& m);

// fused_ops.cpp: "out_in" or "in_out"
ops::WeightLayout parse_layout(const std::string& layout);

// device.cpp
Device& device_or_default(Device* device);
Device& host_device();  // the default device when it is a CPU, else the CPU
std::string device_text(Device& device);

// array.cpp
Tensor tensor_from_object(const py::object& data, std::optional<DType> dtype, Device& device);
Tensor tensor_from_numpy(const py::object& array);
py::object to_numpy(const Tensor& tensor);
DType dtype_of_array(const py::object& array);
// parameter.cpp: what a Parameter or a use of one stands for; none for anything else
std::optional<Tensor> tensor_of_parameter(const py::handle& object);
// index.cpp
Tensor index(const Tensor& x, const py::object& key);

class Held {
 public:
  explicit Held(py::object object) : object_(object.release().ptr()) {}
  ~Held();
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  py::handle get() const { return object_; }

 private:
  PyObject* object_;
};
using HeldPtr = std::shared_ptr<Held>;

// `dims` of reductions: one, or several.
using Dims = std::variant<int, std::vector<int>>;
inline std::vector<int> list_of(const Dims& dims) {
  if (const int* one = std::get_if<int>(&dims)) return {*one};
  return std::get<std::vector<int>>(dims);
}

inline Tensor or_none(const std::optional<Tensor>& tensor) {
  return tensor.value_or(Tensor{});
}

}  // namespace gigatrain::python

namespace pybind11::detail {

// An int or a sequence of ints <-> Shape <-> tuple.
template <>
struct type_caster<gigatrain::Shape> {
  PYBIND11_TYPE_CASTER(gigatrain::Shape,
                       io_name("collections.abc.Sequence[int] | int", "tuple[int, ...]"));

  bool load(handle from, bool convert) {
    value = {};
    if (PyIndex_Check(from.ptr()) && !PySequence_Check(from.ptr())) {
      value.push_back(int_(reinterpret_borrow<object>(from)).cast<std::int64_t>());
      return true;
    }
    make_caster<std::vector<std::int64_t>> sizes;
    if (!sizes.load(from, convert)) return false;
    for (const auto size : cast_op<std::vector<std::int64_t>&>(sizes)) value.push_back(size);
    return true;
  }
  static handle cast(const gigatrain::Shape& shape, return_value_policy, handle) {
    tuple out(static_cast<std::size_t>(shape.dims()));
    for (int i = 0; i < shape.dims(); ++i) out[static_cast<std::size_t>(i)] = shape[i];
    return out.release();
  }
};

// An undefined tensor is None. (None is no tensor, though: functions take an optional one.)
// Parameters stand for their tensors; what goes wrong in making one is raised as it is, which an
// implicit conversion would not do.
template <>
struct type_caster<gigatrain::Tensor> : type_caster_base<gigatrain::Tensor> {
  gigatrain::Tensor made;

  bool load(handle from, bool convert) {
    if (type_caster_base::load(from, convert)) return true;
    if (!convert) return false;
    auto tensor = gigatrain::python::tensor_of_parameter(from);
    if (!tensor) return false;
    made = std::move(*tensor);
    value = &made;
    return true;
  }
  template <class T>
  static handle cast(T&& tensor, return_value_policy policy, handle parent) {
    if constexpr (std::is_pointer_v<std::decay_t<T>>) {
      return type_caster_base::cast(tensor, policy, parent);
    } else {
      if (!tensor) return none().release();
      if (!std::is_rvalue_reference_v<T&&>) policy = return_value_policy::copy;  // of the handle
      return type_caster_base::cast(std::forward<T>(tensor), policy, parent);
    }
  }
};

}  // namespace pybind11::detail
