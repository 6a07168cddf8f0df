// To find what is wrong: gradients against differences, memory by purpose, a timeline.

#include "gigatrain/runtime/memory_report.h"
#include "gigatrain/tensor/check_gradients.h"
#include "gigatrain/train/trace.h"
#include "nn.h"

namespace gigatrain::python {

namespace {

GradientCheck check(const py::object& f, const std::vector<Tensor>& inputs, double step) {
  const Held function(f);
  const auto call = [&](const std::vector<Tensor>& x) {
    const py::gil_scoped_acquire lock;
    return tensor_result(function.get()(*py::tuple(py::cast(x))), function.get(), "__call__");
  };
  const py::gil_scoped_release unlocked;
  return check_gradients(call, inputs, {.step = step});
}

void bind_check(py::module_& m) {
  py::class_<GradientError>(m, "GradientError", "How far a gradient is from central differences.")
      .def_readonly("input", &GradientError::input, "Which of the inputs, from 0.")
      .def_readonly("error", &GradientError::error, "||got - want|| / ||want|| of its gradient.")
      .def_readonly("index", &GradientError::index, "The element that differs most, row-major.")
      .def_readonly("got", &GradientError::got, "There, by backward.")
      .def_readonly("want", &GradientError::want, "There, by central differences.")
      .def("__repr__", &GradientError::str);
  py::class_<GradientCheck>(m, "GradientCheck", "What check_gradients() found.")
      .def_readonly("inputs", &GradientCheck::inputs, "A GradientError for each input.")
      .def_readonly("worst", &GradientCheck::worst, "The largest of them.");
  m.def("check_gradients", &check, py::arg("f"), py::arg("inputs"), py::kw_only(),
        py::arg("step") = 1e-5,
        "Compares the backward of f(*inputs), a scalar f64 tensor, with central differences: the "
        "test of a gradient written by hand.\n\ninputs: contiguous f64 tensors on the CPU, moved "
        "up and down by step and put back. result.worst.error should be below about 1e-6. Raises "
        "InvalidArgument for other inputs, or if f does not depend on one.");
}

}  // namespace

void bind_debug(py::module_& m) {
  bind_check(m);
  m.def(
      "memory_report",
      [](Device* device, int blocks) { return memory_report(device_or_default(device), blocks); },
      py::arg("device") = py::none(), py::arg("blocks") = 10,
      "Where a device's memory is at this moment, as a table to read: live bytes by purpose, and "
      "the largest blocks.");
  py::classh<Trace>(m, "Trace",
                    "A timeline of some steps as a Chrome trace, which https://ui.perfetto.dev "
                    "opens. Give it to a Trainer, or call begin_step() and end_step() in a loop of "
                    "your own.")
      .def(py::init([](const std::string& path, Device* device, std::int64_t first_step,
                       std::int64_t steps) {
             return std::make_shared<Trace>(device_or_default(device), path,
                                            TraceOptions{.first_step = first_step, .steps = steps});
           }),
           py::arg("path"), py::kw_only(), py::arg("device") = py::none(),
           py::arg("first_step") = 2, py::arg("steps") = 3,
           "steps: recorded from first_step on, counted from 1 in this process.")
      .def("begin_step", &Trace::begin_step, Unlocked(), py::arg("step"),
           "Before a step; its name in the trace.")
      .def("end_step", &Trace::end_step, Unlocked(), "After it; replaces the file as a whole.")
      .def_property_readonly("recorded", &Trace::recorded, "Steps in the file.");
}

}  // namespace gigatrain::python
