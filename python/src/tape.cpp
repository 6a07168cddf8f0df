// backward() and no_grad().

#include "common.h"
#include "gigatrain/parallel/gradient_tree.h"
#include "gigatrain/tensor/anomaly.h"
#include "gigatrain/tensor/node.h"

namespace gigatrain::python {

namespace {

// `with no_grad():`, also nested and used again.
struct NoGradScope {
  std::vector<std::unique_ptr<NoGrad>> entered;
};

struct AnomalyScope {
  explicit AnomalyScope(std::int64_t s) : step(s) {}
  std::int64_t step;
  std::vector<std::unique_ptr<DetectAnomaly>> entered;
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

  py::class_<AnomalyScope>(m, "detect_anomaly",
                           "with gt.detect_anomaly(step): every value that an op, a gradient or a "
                           "weight makes is looked at; the first NaN or Inf raises Cancelled that "
                           "names step, op, layer and parameter. Several times slower.")
      .def(py::init<std::int64_t>(), py::arg("step") = -1, "step: from 1, for the message.")
      .def("__enter__",
           [](py::object self) {
             auto& scope = self.cast<AnomalyScope&>();
             scope.entered.push_back(std::make_unique<DetectAnomaly>(scope.step));
             return self;
           })
      .def("__exit__", [](AnomalyScope& s, const py::args&) { s.entered.pop_back(); });

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
