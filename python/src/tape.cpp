// backward() and no_grad().

#include "common.h"
#include "gigatrain/tensor/node.h"

namespace gigatrain::python {

namespace {

// `with no_grad():`, also nested and used again.
struct NoGradScope {
  std::vector<std::unique_ptr<NoGrad>> entered;
};

}  // namespace

void bind_tape(py::module_& m) {
  py::class_<NoGradScope>(m, "no_grad",
                          "with gt.no_grad(): the tape is off in this thread; results need no "
                          "memory for a backward.")
      .def(py::init<>())
      .def("__enter__",
           [](py::object self) {
             self.cast<NoGradScope&>().entered.push_back(std::make_unique<NoGrad>());
             return self;
           })
      .def("__exit__", [](NoGradScope& s, const py::args&) { s.entered.pop_back(); });

  m.def(
      "backward",
      [](const Tensor& root, const std::optional<Tensor>& gradient) {
        const py::gil_scoped_release unlocked;
        backward(root, or_none(gradient));
      },
      py::arg("root"), py::arg("gradient") = py::none(),
      "Runs the tape back from root: a scalar, or with its gradient given.\n\nGradients are added "
      "up in the .grad of inputs and in the uses of parameters (then collect_gradients()); the "
      "graph "
      "is freed as it is walked. Raises InvalidArgument if the graph was freed before.");
}

}  // namespace gigatrain::python
