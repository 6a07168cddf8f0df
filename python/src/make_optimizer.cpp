// Optimizers by name, as a configuration chooses them.

#include "gigatrain/optim/make_optimizer.h"

#include "optimizers.h"

namespace gigatrain::python {

namespace {

using optim::Optimizer;

// What make_optimizer() made, with its parameters.
class Made : public Optimizer {
 public:
  Made(ParameterList kept, const optim::OptimizerOptions& options)
      : kept_(std::move(kept)), inner_(optim::make_optimizer(pointers_to(kept_), options)) {}
  void step(const optim::StepOptions& options) override { inner_->step(options); }
  std::vector<optim::NamedState> state() override { return inner_->state(); }
  const char* name() const override { return inner_->name(); }
  optim::Ema* ema() override { return inner_->ema(); }

 private:
  ParameterList kept_;
  std::unique_ptr<Optimizer> inner_;
};

}  // namespace

void bind_make_optimizer(py::module_& m) {
  using Options = optim::OptimizerOptions;
  const Options o;
  m.def(
      "make_optimizer",
      [](const std::string& name, const py::object& parameters, float weight_decay, float beta1,
         float beta2, float eps, float momentum, bool nesterov, bool decoupled, float threshold,
         bool relative_step, const std::vector<optim::GroupRule>& groups, float ema,
         bool ema_bias_correction, std::uint64_t seed) -> std::shared_ptr<Optimizer> {
        return std::make_shared<Made>(parameters_from(parameters, "make_optimizer()"),
                                      Options{.name = name,
                                              .weight_decay = weight_decay,
                                              .beta1 = beta1,
                                              .beta2 = beta2,
                                              .eps = eps,
                                              .momentum = momentum,
                                              .nesterov = nesterov,
                                              .decoupled = decoupled,
                                              .threshold = threshold,
                                              .relative_step = relative_step,
                                              .groups = groups,
                                              .ema = ema,
                                              .ema_bias_correction = ema_bias_correction,
                                              .seed = seed});
      },
      py::arg("name"), py::arg("parameters"), py::kw_only(),
      py::arg("weight_decay") = o.weight_decay, py::arg("beta1") = o.beta1,
      py::arg("beta2") = o.beta2, py::arg("eps") = o.eps, py::arg("momentum") = o.momentum,
      py::arg("nesterov") = o.nesterov, py::arg("decoupled") = o.decoupled,
      py::arg("threshold") = o.threshold, py::arg("relative_step") = o.relative_step,
      py::arg("groups") = o.groups, py::arg("ema") = o.ema,
      py::arg("ema_bias_correction") = o.ema_bias_correction, py::arg("seed") = o.seed,
      "An optimizer by its name in configurations, with the options that it has, of "
      "which the others are not used; see optimizer_names().\n\nmomentum, nesterov: of sgd and "
      "muon. decoupled: of sgd. threshold, relative_step: of adafactor. groups: GroupRules. ema "
      "above 0: the decay of an average of the weights kept beside them; ema_bias_correction: it "
      "weighs the first steps as Adam does. Raises "
      "InvalidArgument for an unknown name, and for what is frozen or no parameter.");
  m.def("optimizer_names", &optim::optimizer_names, "Names that make_optimizer() knows.");
}

}  // namespace gigatrain::python
