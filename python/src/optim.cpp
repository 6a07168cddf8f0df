// gigatrain.optim: schedules, clipping, and Optimizer, which Python classes derive from.

#include <map>

#include "gigatrain/optim/clip.h"
#include "gigatrain/optim/schedule.h"
#include "gigatrain/parallel/gradient_tree.h"
#include "nn.h"

namespace gigatrain::python {

namespace {

using optim::Optimizer;

std::map<std::string, Tensor> state_of(Optimizer& optimizer) {
  std::map<std::string, Tensor> out;
  for (auto& s : optimizer.state()) out[s.name] = s.tensor;
  return out;
}

// An optimizer written in Python.
class PyOptimizer : public Optimizer, public py::trampoline_self_life_support {
 public:
  void step(const optim::StepOptions& o) override {
    const py::gil_scoped_acquire lock;
    written("step")(o.step, o.lr, o.clip);
  }
  std::vector<optim::NamedState> state() override {
    const py::gil_scoped_acquire lock;
    std::vector<optim::NamedState> out;
    const py::object result = written("state")();
    for (auto& [name, tensor] : result.cast<std::map<std::string, Tensor>>())
      out.push_back({.name = name, .tensor = tensor, .whole = tensor.shape()});
    return out;
  }
  const char* name() const override { return "custom"; }

 private:
  py::function written(const char* method) const {
    py::function f = py::get_override(static_cast<const Optimizer*>(this), method);
    if (!f) not_written(py::cast(static_cast<const Optimizer*>(this)), method);
    return f;
  }
};

void bind_optimizer(py::module_& m) {
  py::classh<Optimizer, PyOptimizer>(
      m, "Optimizer", py::dynamic_attr(),
      "A pure update of parameters from their .grad. To write one, derive and define\n\n"
      "    def step(self, step, lr, clip=None): ...   # p.assign(...) or write into p.value\n"
      "    def state(self): return {\"<parameter>.<state>\": tensor}   # live, for checkpoints\n\n"
      "step counts from 1. clip: None, or clip()'s result {norm, factor}: gradients are to be "
      "multiplied by clip[1].item(); when it is NaN the step must change nothing.")
      .def(py::init_alias<>())
      .def(
          "step",
          [](Optimizer& o, std::int64_t step, float lr, const std::optional<Tensor>& clip) {
            o.step({.step = step, .lr = lr, .clip = or_none(clip)});
          },
          Unlocked(), py::arg("step"), py::arg("lr"), py::arg("clip") = py::none(),
          "Updates the parameters from their .grad. step: from 1, for bias correction. lr: "
          "learning "
          "rate. clip: from clip(). Raises InvalidArgument that names a parameter without "
          "gradient.")
      .def("state", &state_of, "{\"<parameter>.<state>\": tensor}: live, loading writes into them.")
      .def_property_readonly("name", &Optimizer::name, "\"adamw\", ...");
}

void bind_schedule(py::module_& m) {
  using optim::Schedule;
  py::class_<Schedule>(m, "Schedule",
                       "Learning rates: linear warm-up, then constant, linear, cosine "
                       "(arXiv:1608.03983), inverse square root (arXiv:1706.03762) or "
                       "warm-up-stable-decay (arXiv:2404.06395), down to a floor.")
      .def(
          py::init([](const std::string& kind, float lr, std::int64_t warmup, std::int64_t steps,
                      float min_lr, float decay, const std::string& shape) {
            return Schedule{.kind = optim::parse_schedule(kind),
                            .lr = lr,
                            .warmup = warmup,
                            .steps = steps,
                            .min_lr = min_lr,
                            .decay = decay,
                            .shape = optim::parse_decay_shape(shape)};
          }),
          py::arg("kind") = "cosine", py::kw_only(), py::arg("lr") = 1e-3f, py::arg("warmup") = 0,
          py::arg("steps") = 1, py::arg("min_lr") = 0.0f, py::arg("decay") = 0.2f,
          py::arg("shape") = "linear",
          "kind: constant, linear, cosine, inverse_sqrt or wsd. lr: peak. warmup, steps: in steps; "
          "the whole run. min_lr: the floor, as a fraction of the peak. decay, shape (linear or "
          "sqrt): of wsd, the part of all steps in which the rate falls, and how.")
      .def_readwrite("lr", &Schedule::lr, "Peak.")
      .def_readwrite("warmup", &Schedule::warmup, "Steps from 0 to the peak.")
      .def_readwrite("steps", &Schedule::steps, "The whole run.")
      .def_readwrite("min_lr", &Schedule::min_lr, "The floor, as a fraction of the peak.")
      .def("at", &Schedule::at, py::arg("step"), "The learning rate of step 0, 1, ..., steps - 1.")
      .def("__call__", &Schedule::at, py::arg("step"), "at().");
}

}  // namespace

void bind_optim(py::module_& m) {
  py::module_ o = m.def_submodule("optim", "Optimizers, schedules, clipping.");
  bind_optimizer(o);
  bind_optimizers(o);
  bind_schedule(o);
  bind_ema(o);
  o.def(
      "clip",
      [](const py::object& parameters, float max_norm) {
        const auto list = parameters_from(parameters, "clip()");
        const py::gil_scoped_release unlocked;
        return optim::clip_scale(pointers_to(list), max_norm);
      },
      py::arg("parameters"), py::arg("max_norm"),
      "{norm, factor}, a tensor f64 (2), made without waiting for the device: the global norm of "
      "every .grad, and the factor that brings it down to max_norm (1 within; NaN when the norm is "
      "not finite: an optimizer then changes nothing). max_norm 0: off. arXiv:1211.5063.");
  o.def(
      "gradient_norm",
      [](const py::object& parameters) {
        const auto list = parameters_from(parameters, "gradient_norm()");
        const py::gil_scoped_release unlocked;
        return optim::gradient_norm(pointers_to(list));
      },
      py::arg("parameters"), "The global norm of every .grad; waits for the device.");
  m.def(
      "collect_gradients",
      [](const py::object& parameters) {
        const auto list = parameters_from(parameters, "collect_gradients()");
        const py::gil_scoped_release unlocked;
        parallel::collect_gradients(pointers_to(list));
      },
      py::arg("parameters"),
      "After one or more backward(): moves what the uses of each parameter collected into its "
      ".grad; zeros where no gradient came. parameters: a layer, or Parameters.");
  m.def(
      "discard_gradients",
      [](const py::object& parameters) {
        parallel::discard_gradients(
            pointers_to(parameters_from(parameters, "discard_gradients()")));
      },
      py::arg("parameters"),
      "Forgets what the uses of each parameter collected, e.g. after a backward() that raised.");
}

}  // namespace gigatrain::python
