// Groups of parameters: gigatrain.optim.ParameterGroup, and rules by name.

#include "gigatrain/optim/groups.h"

#include <algorithm>

#include "optimizers.h"

namespace gigatrain::python {

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

}  // namespace gigatrain::python
