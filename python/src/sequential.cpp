// gigatrain.nn: activations, dropout and Sequential.

#include "gigatrain/nn/sequential.h"

#include "nn.h"

namespace gigatrain::python {

namespace {

std::shared_ptr<nn::Layer> as_layer(const py::handle& item) {
  if (py::isinstance<nn::Layer>(item)) return item.cast<std::shared_ptr<nn::Layer>>();
  if (PyCallable_Check(item.ptr())) {
    const auto held = std::make_shared<Held>(py::reinterpret_borrow<py::object>(item));
    return std::make_shared<nn::Function>([held](const Tensor& x) {
      const py::gil_scoped_acquire lock;
      return tensor_result(held->get()(x), held->get(), "__call__");
    });
  }
  throw py::type_error("Sequential is made of layers and functions of one tensor");
}

std::shared_ptr<nn::Sequential> make_sequential(const py::args& items) {
  auto out = std::make_shared<nn::Sequential>();
  for (const auto& item : items) out->append(as_layer(item));
  return out;
}

std::shared_ptr<nn::Layer> at(const nn::Layer& layer, std::int64_t i) {
  const auto children = layer.children();
  const auto count = static_cast<std::int64_t>(children.size());
  if (i < -count || i >= count) throw py::index_error("layer " + std::to_string(i));
  return children[static_cast<std::size_t>(i < 0 ? i + count : i)].second;
}

template <class T>
void bind_activation(py::module_& m, const char* name, const char* doc) {
  py::classh<T, nn::Function>(m, name, doc).def(py::init<>());
}

}  // namespace

void bind_sequential(py::module_& m) {
  py::classh<nn::Function, nn::Layer>(m, "Function", "A function of one tensor as a layer.");
  bind_activation<nn::Gelu>(m, "Gelu", "GELU in the tanh form, arXiv:1606.08415.");
  bind_activation<nn::Relu>(m, "Relu", "max(x, 0).");
  bind_activation<nn::Sigmoid>(m, "Sigmoid", "1 / (1 + exp(-x)).");
  bind_activation<nn::Silu>(m, "Silu", "x sigmoid(x), arXiv:1702.03118.");
  bind_activation<nn::Tanh>(m, "Tanh", "Hyperbolic tangent.");
  py::classh<nn::Dropout, nn::Layer>(
      m, "Dropout", "Zeroes elements of x (B, ..., C) while training, and scales the others.")
      .def(py::init<float>(), py::arg("rate"), "rate: the probability, in [0, 1).");
  py::classh<nn::Sequential, nn::Layer>(
      m, "Sequential",
      "Layers and functions of one tensor, one after the other: Sequential(Linear(8, 32), gt.gelu, "
      "Linear(32, 4)). Also a list of layers: len(), [i], iteration, append().")
      .def(py::init(&make_sequential), "Children are named \"0\", \"1\", ...")
      .def(
          "append", [](nn::Sequential& s, const py::object& item) { s.append(as_layer(item)); },
          py::arg("layer"), "Adds a layer, or a function of one tensor, at the end.")
      .def("__len__", [](const nn::Sequential& s) { return s.children().size(); })
      .def("__getitem__", &at, py::arg("index"));
}

}  // namespace gigatrain::python
