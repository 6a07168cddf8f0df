#include "gigatrain/nn/layer.h"

#include <fmt/format.h>

#include <algorithm>

#include "gigatrain/base/error.h"

namespace gigatrain::nn {

DropoutArgs BatchContext::dropout(float rate, const std::string& layer) const {
  if (!training || rate <= 0.0f) return {};
  return {.rate = rate,
          .key = random_key(seed, "dropout", layer),
          .step = step,
          .first_sample = first_sample,
          .rows_per_sample = tokens_per_sample};
}

Tensor Layer::operator()(const Tensor& x, BatchContext& context) {
  const LayerScope scope(path_);
  return forward(x, context);
}

std::vector<std::pair<std::string, std::shared_ptr<Layer>>> Layer::children() const {
  std::vector<std::pair<std::string, std::shared_ptr<Layer>>> out;
  for (const auto& [name, slot] : slots_)
    if (auto layer = slot->get()) out.emplace_back(name, std::move(layer));
  return out;
}

void Layer::replace(const std::string& name, std::shared_ptr<Layer> layer) {
  for (auto& [slot_name, slot] : slots_) {
    if (slot_name != name) continue;
    if (!layer || !slot->set(std::move(layer)))
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("the new '{}' of layer '{}' is not of the kind its parent calls",
                              name, path_));
    return;
  }
  std::string known;
  for (const auto& [slot_name, slot] : slots_) known += (known.empty() ? "" : ", ") + slot_name;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("layer '{}' has no child '{}'; its children: {}", path_, name, known));
}

namespace {

class AnyChild final : public ChildSlot {
 public:
  explicit AnyChild(std::shared_ptr<Layer> layer) : layer_(std::move(layer)) {}
  std::shared_ptr<Layer> get() const override { return layer_; }
  bool set(std::shared_ptr<Layer> layer) override {
    layer_ = std::move(layer);
    return true;
  }

 private:
  std::shared_ptr<Layer> layer_;
};

}  // namespace

void Layer::add_child(const std::string& name, std::shared_ptr<Layer> layer) {
  if (!layer || name.empty() || name.find('.') != std::string::npos)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a child needs a layer and a name without dots, got '{}'", name));
  for (const auto& [taken, slot] : slots_)
    if (taken == name)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("layer '{}' already has a child '{}'", path_, name),
                  "call replace() to exchange it");
  own_slots_.push_back(std::make_unique<AnyChild>(std::move(layer)));
  slots_.emplace_back(name, own_slots_.back().get());
}

std::shared_ptr<Parameter> Layer::add_parameter(std::string name, const Shape& shape, Init init) {
  auto parameter = std::make_shared<Parameter>(shape, init);
  parameters_.emplace_back(std::move(name), parameter);
  return parameter;
}

void Layer::share_parameter(std::string name, std::shared_ptr<Parameter> parameter) {
  std::erase_if(parameters_, [&](const auto& held) { return held.first == name; });
  if (parameter) parameters_.emplace_back(std::move(name), std::move(parameter));
}

namespace {

std::string join(const std::string& path, const std::string& name) {
  return path.empty() || name.empty() ? path + name : path + "." + name;
}

void walk(Layer& layer, const std::string& path,
          const std::function<void(Layer&, const std::string&)>& visit) {
  visit(layer, path);
  for (const auto& [name, child] : layer.children()) walk(*child, join(path, name), visit);
}

}  // namespace

void assign_names(Layer& root, const std::string& path) {
  std::vector<const Parameter*> named;
  walk(root, path, [&](Layer& layer, const std::string& at) {
    layer.path_ = at;
    for (const auto& [name, parameter] : layer.parameters()) {
      if (std::find(named.begin(), named.end(), parameter.get()) != named.end()) continue;  // tied
      named.push_back(parameter.get());
      parameter->set_name(join(at, name));
    }
  });
}

std::vector<Parameter*> named_parameters(Layer& root) {
  std::vector<Parameter*> all;
  walk(root, "", [&](Layer& layer, const std::string&) {
    for (const auto& [name, parameter] : layer.parameters())
      if (std::find(all.begin(), all.end(), parameter.get()) == all.end())
        all.push_back(parameter.get());
  });
  std::sort(all.begin(), all.end(),
            [](const auto* a, const auto* b) { return a->name() < b->name(); });
  return all;
}

std::vector<Parameter*> trainable_parameters(Layer& root) {
  auto all = named_parameters(root);
  std::erase_if(all, [](const Parameter* p) { return !p->requires_grad(); });
  return all;
}

void allocate(Parameter& parameter, Device& device, const MaterializeOptions& options) {
  if (!is_floating(options.compute) || options.compute == DType::f64)
    throw Error(
        ErrorCode::unsupported,
        fmt::format("the compute dtype must be f32, bf16 or f16, got {}", name(options.compute)));
  parameter.allocate(device, options.compute, options.params);
}

void fill(Parameter& parameter, const MaterializeOptions& options) {
  if (!options.fill) return parameter.initialize(options.seed);
  options.fill(parameter);
  parameter.changed();
}

void materialize(Layer& root, Device& device, const MaterializeOptions& options) {
  for (auto* parameter : named_parameters(root)) {
    allocate(*parameter, device, options);
    fill(*parameter, options);
  }
}

}  // namespace gigatrain::nn
