// The optimizers of gigatrain.optim, and groups of parameters. Each keeps alive what it updates.

#include <algorithm>

#include "gigatrain/optim/adamw.h"
#include "gigatrain/optim/groups.h"
#include "gigatrain/optim/lion.h"
#include "gigatrain/optim/make_optimizer.h"
#include "gigatrain/optim/sgd.h"
#include "nn.h"

namespace gigatrain::python {

namespace {

using optim::Optimizer;

struct Group {
  ParameterList parameters;
  float lr_scale = 1.0f, weight_decay = 0.0f;
};

// What an optimizer's first argument stands for.
struct Chosen {
  ParameterList kept;
  std::vector<optim::ParameterGroup> groups;
};

Chosen choose(const py::object& what, const char* caller, float weight_decay) {
  Chosen out;
  if (py::isinstance<py::list>(what) && py::len(what) > 0 &&
      py::isinstance<Group>(py::list(what)[0])) {
    for (const auto& g : what.cast<std::vector<Group>>()) {
      out.groups.push_back({pointers_to(g.parameters), g.lr_scale, g.weight_decay});
      out.kept.insert(out.kept.end(), g.parameters.begin(), g.parameters.end());
    }
  } else {
    out.kept = parameters_from(what, caller);
    out.groups = optim::decay_groups(pointers_to(out.kept), weight_decay);
  }
  return out;
}

template <class T>
class Owning : public T {
 public:
  template <class Options>
  Owning(Chosen chosen, const Options& options)
      : T(chosen.groups, options), kept_(std::move(chosen.kept)) {}

 private:
  ParameterList kept_;
};

template <class T, class Options>
std::shared_ptr<T> make(const py::object& what, const char* caller, const Options& options) {
  return std::make_shared<Owning<T>>(choose(what, caller, options.weight_decay), options);
}

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

void bind_groups(py::module_& m) {
  py::class_<Group>(m, "ParameterGroup",
                    "Parameters that share a learning-rate factor and a decay.")
      .def(py::init([](const py::object& parameters, float lr_scale, float weight_decay) {
             return Group{parameters_from(parameters, "ParameterGroup"), lr_scale, weight_decay};
           }),
           py::arg("parameters"), py::kw_only(), py::arg("lr_scale") = 1.0f,
           py::arg("weight_decay") = 0.0f, "lr_scale: multiplies the step's learning rate.")
      .def_readonly("parameters", &Group::parameters, "Those of the group.")
      .def_readwrite("lr_scale", &Group::lr_scale, "Multiplies the step's learning rate.")
      .def_readwrite("weight_decay", &Group::weight_decay, "Decoupled.");
  using optim::GroupRule;
  py::class_<GroupRule>(m, "GroupRule", "Parameters by their names, and what is theirs.")
      .def(py::init([](const std::string& pattern, float lr_scale, std::optional<float> decay) {
             return GroupRule{pattern, lr_scale, decay};
           }),
           py::arg("pattern"), py::kw_only(), py::arg("lr_scale") = 1.0f,
           py::arg("weight_decay") = py::none(),
           "pattern: of whole names; a glob (*, ?), or \"re:\" and a regular expression. "
           "weight_decay None: as without a rule.")
      .def_readonly("pattern", &GroupRule::pattern, "Of whole names.");
  m.def(
      "groups_by_pattern",
      [](const py::object& parameters, const std::vector<GroupRule>& rules, float weight_decay) {
        const ParameterList all = parameters_from(parameters, "groups_by_pattern()");
        std::vector<Group> out;
        for (const auto& g : optim::groups_by_pattern(pointers_to(all), rules, weight_decay)) {
          out.push_back({{}, g.lr_scale, g.weight_decay});
          for (const auto& p : all)
            if (std::find(g.parameters.begin(), g.parameters.end(), p.get()) != g.parameters.end())
              out.back().parameters.push_back(p);
        }
        return out;
      },
      py::arg("parameters"), py::arg("rules"), py::kw_only(), py::arg("weight_decay") = 0.0f,
      "ParameterGroups for an optimizer: the first rule that matches a name holds.");
}

constexpr const char* kParameters =
    "parameters: a layer, parameters (matrices decay, vectors do not), or ParameterGroups "
    "(weight_decay is then theirs). seed: of stochastic rounding, for weights without an f32 "
    "master. Raises InvalidArgument for what is frozen or no parameter.";

}  // namespace

void bind_optimizers(py::module_& m) {
  bind_groups(m);
  const optim::AdamWOptions a;
  py::classh<optim::AdamW, Optimizer>(
      m, "AdamW", "Loshchilov and Hutter, Decoupled Weight Decay Regularization, arXiv:1711.05101.")
      .def(py::init([](const py::object& parameters, float weight_decay, float beta1, float beta2,
                       float eps, std::uint64_t seed) {
             return make<optim::AdamW>(parameters, "AdamW",
                                       optim::AdamWOptions{weight_decay, beta1, beta2, eps, seed});
           }),
           py::arg("parameters"), py::kw_only(), py::arg("weight_decay") = a.weight_decay,
           py::arg("beta1") = a.beta1, py::arg("beta2") = a.beta2, py::arg("eps") = a.eps,
           py::arg("seed") = a.seed, kParameters);
  const optim::SgdOptions s;
  py::classh<optim::Sgd, Optimizer>(
      m, "Sgd", "Stochastic gradient descent with (Nesterov) momentum (Sutskever et al., 2013).")
      .def(py::init([](const py::object& parameters, float momentum, bool nesterov,
                       float weight_decay, bool decoupled, std::uint64_t seed) {
             return make<optim::Sgd>(
                 parameters, "Sgd",
                 optim::SgdOptions{momentum, nesterov, weight_decay, decoupled, seed});
           }),
           py::arg("parameters"), py::kw_only(), py::arg("momentum") = s.momentum,
           py::arg("nesterov") = s.nesterov, py::arg("weight_decay") = s.weight_decay,
           py::arg("decoupled") = s.decoupled, py::arg("seed") = s.seed, kParameters);
  const optim::LionOptions l;
  py::classh<optim::Lion, Optimizer>(m, "Lion", "Chen et al., arXiv:2302.06675.")
      .def(py::init([](const py::object& parameters, float weight_decay, float beta1, float beta2,
                       std::uint64_t seed) {
             return make<optim::Lion>(parameters, "Lion",
                                      optim::LionOptions{weight_decay, beta1, beta2, seed});
           }),
           py::arg("parameters"), py::kw_only(), py::arg("weight_decay") = l.weight_decay,
           py::arg("beta1") = l.beta1, py::arg("beta2") = l.beta2, py::arg("seed") = l.seed,
           kParameters);
  using Options = optim::OptimizerOptions;
  const Options o;
  m.def(
      "make_optimizer",
      [](const std::string& name, const py::object& parameters, float weight_decay, float beta1,
         float beta2, float eps, float momentum, bool nesterov, bool decoupled,
         const std::vector<optim::GroupRule>& groups, float ema,
         std::uint64_t seed) -> std::shared_ptr<Optimizer> {
        return std::make_shared<Made>(parameters_from(parameters, "make_optimizer()"),
                                      Options{.name = name,
                                              .weight_decay = weight_decay,
                                              .beta1 = beta1,
                                              .beta2 = beta2,
                                              .eps = eps,
                                              .momentum = momentum,
                                              .nesterov = nesterov,
                                              .decoupled = decoupled,
                                              .groups = groups,
                                              .ema = ema,
                                              .seed = seed});
      },
      py::arg("name"), py::arg("parameters"), py::kw_only(),
      py::arg("weight_decay") = o.weight_decay, py::arg("beta1") = o.beta1,
      py::arg("beta2") = o.beta2, py::arg("eps") = o.eps, py::arg("momentum") = o.momentum,
      py::arg("nesterov") = o.nesterov, py::arg("decoupled") = o.decoupled,
      py::arg("groups") = o.groups, py::arg("ema") = o.ema, py::arg("seed") = o.seed,
      "An optimizer by its name in configurations, with the options that it has; see "
      "optimizer_names(). ema above 0: the decay of an average of the weights kept beside them.");
  m.def("optimizer_names", &optim::optimizer_names, "Names that make_optimizer() knows.");
}

}  // namespace gigatrain::python
