// The exponential moving average of weights.

#include "gigatrain/optim/ema.h"

#include <map>

#include "nn.h"

namespace gigatrain::python {

namespace {

struct Average {
  Average(ParameterList parameters, const optim::EmaOptions& options)
      : kept(std::move(parameters)), ema(pointers_to(kept), options) {}
  ParameterList kept;
  optim::Ema ema;
  std::unique_ptr<optim::Ema::Swapped> swapped;
};

}  // namespace

void bind_ema(py::module_& m) {
  const optim::EmaOptions d;
  py::classh<Average>(m, "Ema",
                      "An exponential moving average of weights (Polyak and Juditsky, 1992). `with "
                      "ema:` exchanges weights and average: evaluate in between.")
      .def(py::init([](const py::object& parameters, float decay, bool bias_correction) {
             return std::make_shared<Average>(parameters_from(parameters, "Ema"),
                                              optim::EmaOptions{decay, bias_correction});
           }),
           py::arg("parameters"), py::kw_only(), py::arg("decay") = d.decay,
           py::arg("bias_correction") = d.bias_correction,
           "bias_correction: the average is that of the steps so far alone; without it, it begins "
           "at the initial weights.")
      .def(
          "update",
          [](Average& a, std::int64_t step, const std::optional<Tensor>& clip) {
            a.ema.update(step, or_none(clip));
          },
          Unlocked(), py::arg("step"), py::arg("clip") = py::none(),
          "After a step, counted from 1. clip: the step's, whose NaN means that it was skipped.")
      .def(
          "state",
          [](const Average& a) {
            std::map<std::string, Tensor> out;
            for (auto& s : a.ema.state()) out[s.name] = s.tensor;
            return out;
          },
          "{\"<parameter>.ema\": tensor}: live.")
      .def("__enter__",
           [](py::object self) {
             auto& a = self.cast<Average&>();
             if (a.swapped)
               throw Error(ErrorCode::invalid_argument, "the average is in use already");
             a.swapped = std::make_unique<optim::Ema::Swapped>(&a.ema);
             return self;
           })
      .def("__exit__", [](Average& a, const py::args&) { a.swapped.reset(); });
}

}  // namespace gigatrain::python
