// gigatrain.nn: BatchContext and Layer, which Python classes derive from.

#include "nn.h"

namespace gigatrain::python {

namespace {

thread_local std::vector<nn::BatchContext*> contexts;

std::string class_name(const py::handle& self) {
  return py::str(py::type::handle_of(self).attr("__name__"));
}

// Layers and parameters that are assigned become part of the tree under the attribute's name.
void set_attribute(const py::object& self, const py::str& name, const py::object& value) {
  auto* dynamic = dynamic_cast<nn::DynamicChildren*>(self.cast<nn::Layer*>());
  const bool layer = py::isinstance<nn::Layer>(value), weight = py::isinstance<Parameter>(value);
  if ((layer || weight) && !dynamic)
    throw Error(ErrorCode::invalid_argument,
                "a " + class_name(self) + " takes no further layers or parameters",
                "derive from gigatrain.nn.Layer, or exchange a child with replace()");
  if (dynamic) {
    dynamic->set_child(name, layer ? value.cast<std::shared_ptr<nn::Layer>>() : nullptr);
    dynamic->set_parameter(name, weight ? value.cast<std::shared_ptr<Parameter>>() : nullptr);
  }
  if (PyObject_GenericSetAttr(self.ptr(), name.ptr(), value.ptr()) != 0)
    throw py::error_already_set();
}

void delete_attribute(const py::object& self, const py::str& name) {
  if (auto* dynamic = dynamic_cast<nn::DynamicChildren*>(self.cast<nn::Layer*>())) {
    dynamic->set_child(name, nullptr);
    dynamic->set_parameter(name, nullptr);
  }
  if (PyObject_GenericSetAttr(self.ptr(), name.ptr(), nullptr) != 0) throw py::error_already_set();
}

void bind_context(py::module_& m) {
  py::class_<nn::BatchContext>(
      m, "BatchContext",
      "Facts of the batch at hand that layers need besides their input. `with "
      "gt.nn.BatchContext(training=True, seed=1, step=i): loss = model(x)` hands them to every "
      "layer "
      "called inside; the Trainer does so by itself. Without one, layers evaluate: no dropout.")
      .def(py::init([](bool training, std::uint64_t seed, std::uint32_t step,
                       std::uint32_t first_sample) {
             return nn::BatchContext{
                 .training = training, .seed = seed, .step = step, .first_sample = first_sample};
           }),
           py::kw_only(), py::arg("training") = false, py::arg("seed") = 0, py::arg("step") = 0,
           py::arg("first_sample") = 0,
           "seed: of the run. first_sample: number, within the step, of the batch's first sample.")
      .def_readwrite("training", &nn::BatchContext::training, "Dropout on?")
      .def_readwrite("seed", &nn::BatchContext::seed, "Of the run.")
      .def_readwrite("step", &nn::BatchContext::step, "Of the run, from 0.")
      .def_readwrite("first_sample", &nn::BatchContext::first_sample,
                     "Number, within the step, of the batch's first sample.")
      .def_readwrite("tokens_per_sample", &nn::BatchContext::tokens_per_sample,
                     "Rows of a sample: dropout masks hang on it.")
      .def("dropout", &nn::BatchContext::dropout, py::arg("rate"), py::arg("layer"),
           "The mask of a layer, by its path; off when not training.")
      .def(
          "__enter__",
          [](nn::BatchContext& c) {
            contexts.push_back(&c);
            return &c;
          },
          py::return_value_policy::reference)
      .def("__exit__", [](nn::BatchContext&, const py::args&) { contexts.pop_back(); });
  m.def(
      "context", [] { return context_or_current(nullptr); },
      "The BatchContext that layers called here would see.");
}

void bind_layer(py::module_& m) {
  py::classh<nn::Layer, PyForward<nn::Layer>>(
      m, "Layer", py::dynamic_attr(),
      "A map in a tree of layers. Derive, assign layers and gt.Parameters to attributes in "
      "__init__ (after super().__init__()), and write forward():\n\n"
      "    class Mlp(gt.nn.Layer):\n"
      "        def __init__(self):\n"
      "            super().__init__()\n"
      "            self.fc = gt.nn.Linear(8, 32, gelu=True)\n"
      "            self.out = gt.Parameter((4, 32))\n"
      "        def forward(self, x):\n"
      "            return gt.linear(self.fc(x), self.out)\n\n"
      "gt.nn.materialize(model) names everything by its path and makes the values.")
      .def(py::init_alias<>())
      .def(
          "forward",
          [](nn::Layer& layer, const Tensor& x, nn::BatchContext* context) {
            auto& c = context_or_current(context);
            const py::gil_scoped_release unlocked;
            return layer(x, c);
          },
          py::arg("x"), py::arg("context") = py::none(),
          "The layer's result for x. context: a BatchContext; the innermost `with` by default.")
      .def(
          "__call__",
          [](const py::object& self, const py::args& args, const py::kwargs& named) {
            const LayerScope scope(self.cast<nn::Layer&>().path());
            return self.attr("forward")(*args, **named);
          },
          "forward().")
      .def("__setattr__", &set_attribute)
      .def("__delattr__", &delete_attribute)
      .def("children", &nn::Layer::children, "[(name, layer)] of the layers directly below.")
      .def("parameters", &parameters_of,
           "Every parameter below, each once, in name order: what optimizers take.")
      .def("named_parameters", &paths_of,
           "[(path, parameter)] below this layer, each once, in order of the paths.")
      .def("replace", &nn::Layer::replace, py::arg("name"), py::arg("layer"),
           "Exchanges a child. Raises InvalidArgument if there is none, or it does not fit.")
      .def_property_readonly("path", &nn::Layer::path, "Its place in the model: \"h.0.attn\".")
      .def(
          "dropout_args",
          [](nn::Layer& layer, float rate) {
            return context_or_current(nullptr).dropout(rate, layer.path());
          },
          py::arg("rate"), "The mask of this layer in the batch at hand, for gt.dropout().")
      .def("__repr__", [](const py::object& self) {
        const auto& layer = self.cast<nn::Layer&>();
        return class_name(self) + "(" + (layer.path().empty() ? "" : "'" + layer.path() + "', ") +
               std::to_string(layer.children().size()) + " children)";
      });
}

}  // namespace

nn::BatchContext& context_or_current(nn::BatchContext* given) {
  thread_local nn::BatchContext evaluation;
  if (given) return *given;
  if (!contexts.empty()) return *contexts.back();
  return evaluation = {};
}

ContextScope::ContextScope(nn::BatchContext& context) {
  contexts.push_back(&context);
}
ContextScope::~ContextScope() {
  contexts.pop_back();
}

Tensor tensor_result(const py::object& result, const py::handle& self, const char* method) {
  if (!py::isinstance<Tensor>(result))
    throw py::type_error(class_name(self) + "." + method + "() must return a tensor, got " +
                         class_name(result));
  return result.cast<Tensor>();
}

void not_written(const py::handle& self, const char* method) {
  throw Error(ErrorCode::unsupported, "class " + class_name(self) + " does not define " + method);
}

void bind_nn(py::module_& m) {
  py::module_ nn = m.def_submodule("nn", "Layers and models.");
  bind_context(nn);
  bind_layer(nn);
  bind_layers(nn);
  bind_model(nn);
  bind_models(nn);
  bind_llama(nn, m);
  bind_state(nn);
}

}  // namespace gigatrain::python
