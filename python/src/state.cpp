// Parameters of a model as lists and dictionaries, and their values.

#include <algorithm>
#include <map>

#include "nn.h"

namespace gigatrain::python {

namespace {

using Path = std::pair<std::string, std::shared_ptr<Parameter>>;

void walk(nn::Layer& layer, const std::string& path, std::vector<Path>& out) {
  const std::string prefix = path.empty() ? "" : path + ".";
  for (const auto& [name, p] : layer.parameters())
    if (std::none_of(out.begin(), out.end(), [&](const Path& o) { return o.second == p; }))
      out.emplace_back(prefix + name, p);
  for (const auto& [name, child] : layer.children())
    walk(*child, name.empty() ? path : prefix + name, out);
}

std::string type_of(const py::handle& object) {
  return py::str(py::type::handle_of(object).attr("__name__"));
}

py::object materialized(const py::object& model, Device* device, DType compute, DType params,
                        std::uint64_t seed) {
  auto& root = model.cast<nn::Layer&>();
  Device& d = device_or_default(device);
  {
    const py::gil_scoped_release unlocked;
    nn::assign_names(root);
    nn::materialize(root, d, {.compute = compute, .params = params, .seed = seed});
  }
  return model;
}

void require_whole(nn::Layer& root) {
  for (const auto& [path, p] : paths_of(root))
    if (p->shared())
      throw Error(ErrorCode::invalid_argument,
                  "'" + path + "' is shared among ranks: this one has a part of it",
                  "gt.save_state(..., ranks=ranks) and gt.load_state()");
}

std::map<std::string, Tensor> state_dict(nn::Layer& root) {
  require_whole(root);
  std::map<std::string, Tensor> out;
  for (const auto& [path, p] : paths_of(root)) out[path] = p->value();
  return out;
}

// What is wrong between a model and a dictionary, all of it, or nothing.
std::string problems(const std::vector<Path>& wanted, const std::map<std::string, Tensor>& given) {
  std::string text;
  std::map<std::string, Tensor> left = given;
  for (const auto& [path, p] : wanted) {
    const auto found = left.find(path);
    if (found == left.end()) {
      text += "\n  missing: " + path + " " + p->shape().str();
      continue;
    }
    if (!(found->second.shape() == p->shape()))
      text += "\n  wrong shape: " + path + " must be " + p->shape().str() + ", got " +
              found->second.shape().str();
    left.erase(found);
  }
  for (const auto& [path, tensor] : left)
    text += "\n  unexpected: " + path + " " + tensor.shape().str();
  return text;
}

void load_state_dict(nn::Layer& root, const std::map<std::string, py::object>& values) {
  require_whole(root);
  std::map<std::string, Tensor> given;
  for (const auto& [path, value] : values)
    given[path] = py::isinstance<Tensor>(value)
                      ? value.cast<Tensor>()
                      : tensor_from_object(value, std::nullopt, host_device());
  const auto wanted = paths_of(root);
  if (const auto text = problems(wanted, given); !text.empty())
    throw Error(ErrorCode::invalid_argument, "the values do not fit the model:" + text);
  const py::gil_scoped_release unlocked;
  for (const auto& [path, p] : wanted) p->assign(given.at(path));
}

}  // namespace

std::vector<Path> paths_of(nn::Layer& root) {
  std::vector<Path> out;
  walk(root, "", out);
  std::sort(out.begin(), out.end(), [](const Path& a, const Path& b) { return a.first < b.first; });
  return out;
}

Device& device_of(nn::Layer& model) {
  const auto parameters = nn::named_parameters(model);
  if (parameters.empty() || !parameters.front()->own_value())
    throw Error(ErrorCode::invalid_argument, "the model has no values yet",
                "call gt.nn.materialize(model)");
  return parameters.front()->own_value().device();
}

ParameterList parameters_of(nn::Layer& root) {
  ParameterList out;
  for (auto& [path, p] : paths_of(root)) out.push_back(std::move(p));
  return out;
}

ParameterList parameters_from(const py::object& object, const char* what) {
  if (py::isinstance<nn::Layer>(object)) return parameters_of(object.cast<nn::Layer&>());
  if (py::isinstance<Parameter>(object)) return {object.cast<std::shared_ptr<Parameter>>()};
  ParameterList out;
  for (const auto& item : py::iter(object)) {
    if (!py::isinstance<Parameter>(item))
      throw Error(ErrorCode::invalid_argument,
                  std::string(what) + " takes a layer or gigatrain.Parameters, got " +
                      type_of(item) + " in place " + std::to_string(out.size()),
                  "only parameters are trained: make it a gt.Parameter");
    out.push_back(item.cast<std::shared_ptr<Parameter>>());
  }
  return out;
}

std::vector<Parameter*> pointers_to(const ParameterList& parameters) {
  std::vector<Parameter*> out;
  for (const auto& p : parameters) out.push_back(p.get());
  return out;
}

void bind_state(py::module_& m) {
  m.def(
      "materialize", &materialized, py::arg("model"), py::arg("device") = py::none(), py::kw_only(),
      py::arg("compute") = DType::f32, py::arg("params") = DType::f32, py::arg("seed") = 1337,
      "Names every layer and parameter below the model by its path, gives the parameters memory "
      "on the device and their initial values, and returns the model.\n\n"
      "compute: f32, or bf16 or f16 for matrices. params: of the masters; bf16 (with bf16 compute) "
      "keeps no f32 copy. seed: value i of a parameter depends on (seed, name, i) only.");
  auto layer = py::reinterpret_borrow<py::class_<nn::Layer>>(m.attr("Layer"));
  layer.def("state_dict", &state_dict,
            "{path: tensor} of the live values: writing into them changes the model.");
  layer.def(
      "load_state_dict", &load_state_dict, py::arg("values"),
      "Overwrites every parameter with {path: tensor or array}. Raises InvalidArgument that "
      "lists all missing, unexpected and misshapen ones at once, before anything is written.");
}

}  // namespace gigatrain::python
