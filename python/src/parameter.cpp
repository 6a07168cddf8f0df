// gigatrain.Parameter. One made in Python has a use of its own from the start, so that it stands
// wherever a tensor may: gt.linear(x, self.weight).

#include "gigatrain/tensor/parameter.h"

#include "common.h"
#include "gigatrain/parallel/gradient_tree.h"

namespace gigatrain::python {

namespace {

Init::Kind parse_init(const std::string& kind) {
  if (kind == "zeros") return Init::Kind::zeros;
  if (kind == "ones") return Init::Kind::ones;
  if (kind == "normal") return Init::Kind::normal;
  throw Error(ErrorCode::invalid_argument,
              "unknown init '" + kind + "': expected zeros, ones or normal");
}

std::shared_ptr<Parameter> make(const Shape& shape, const std::string& init, float std) {
  auto p = std::make_shared<Parameter>(shape, Init{parse_init(init), std});
  p->add_use();
  return p;
}

Tensor first_use(Parameter& p) {
  if (p.uses().empty()) p.add_use();
  return p.uses().front()->tensor();
}

}  // namespace

std::optional<Tensor> tensor_of_parameter(const py::handle& object) {
  const bool use = py::isinstance<ParameterUse>(object);
  if (!use && !py::isinstance<Parameter>(object)) return std::nullopt;
  auto* of_use = use ? object.cast<ParameterUse*>() : nullptr;
  auto* parameter = use ? nullptr : object.cast<Parameter*>();
  const py::gil_scoped_release unlocked;  // its ranks may have to bring it together first
  return use ? of_use->tensor() : first_use(*parameter);
}

void bind_parameter(py::module_& m) {
  py::classh<Parameter>(
      m, "Parameter",
      "A named weight of a layer. Its name is its path in the model; values are made by "
      "gt.nn.materialize(). Stands wherever a tensor is expected.")
      .def(py::init(&make), py::arg("shape"), py::kw_only(), py::arg("init") = "normal",
           py::arg("std") = 0.02f,
           "init: \"normal\" (0, std), \"zeros\" or \"ones\"; value i depends on (seed, name, i) "
           "only.")
      .def_property_readonly("name", &Parameter::name, "Its path: \"h.0.attn.weight\".")
      .def_property_readonly("shape", &Parameter::shape, "Sizes, outermost first.")
      .def_property_readonly("value", &Parameter::value,
                             "The master values: f32, or bf16 without a master; None before "
                             "materialize(), and where ranks share them (zero 1 to 3). After "
                             "writing into it call changed().")
      .def_property_readonly("compute_dtype", &Parameter::compute_dtype,
                             "What products use: f32, bf16 or f16.")
      .def_property(
          "grad", [](const Parameter& p) { return p.grad; },
          [](Parameter& p, const std::optional<Tensor>& g) { p.grad = or_none(g); },
          "The step's gradient, f32; None before collect_gradients() or the Trainer made it.")
      .def_property("requires_grad", &Parameter::requires_grad, &Parameter::set_requires_grad,
                    "False: frozen. No gradient is made for it, and optimizers refuse it.")
      .def("tensor", &first_use, Unlocked(),
           "The values in the compute dtype, connected to the gradient of the first use.")
      .def(
          "use", [](Parameter& p) { return p.add_use(); },
          "Another use, with a gradient of its own that is added after the others': for weights "
          "that several layers share. Ask once, when the layer is built, not in forward().")
      .def("assign", &Parameter::assign, Unlocked(), py::arg("values"),
           "Overwrites the values with those of a tensor of the same shape.")
      .def(
          "changed", [](Parameter& p) { p.changed(); },
          "Say so after writing into value: copies in the compute dtype are out of date.")
      .def("__repr__", [](const Parameter& p) {
        return "Parameter('" + p.name() + "', shape=" + p.shape().str() + ")";
      });
  py::classh<ParameterUse>(m, "ParameterUse", "One place where a parameter enters the computation.")
      .def("tensor", &ParameterUse::tensor, Unlocked(),
           "The parameter in its compute dtype, connected to this use's gradient.");
}

}  // namespace gigatrain::python
