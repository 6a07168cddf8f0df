// A layer is a map in a tree of layers. Its parameters are named by their path, in Hugging Face's
// words ("transformer.h.0.attn.c_attn.weight"); models are written for one device and never mention
// ranks or streams.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gigatrain/base/dropout_args.h"
#include "gigatrain/tensor/diagnostics.h"
#include "gigatrain/tensor/parameter.h"

namespace gigatrain::nn {

class KvCache;

// Facts of the batch at hand that layers need besides their input.
struct BatchContext {
  bool training = false;
  std::uint64_t seed = 0;  // of the run
  std::uint32_t step = 0;
  std::uint32_t first_sample = 0;      // global index, within the step, of the batch's first sample
  std::int64_t first_position = 0;     // of the batch's first token in its sequence
  std::int64_t tokens_per_sample = 1;  // T
  KvCache* cache = nullptr;            // generation: keys and values of earlier positions

  // The mask of a layer's dropout; off when not training.
  DropoutArgs dropout(float rate, const std::string& layer) const;
};

class Layer;

// A child that `replace` can exchange: access like a pointer.
class ChildSlot {
 public:
  virtual ~ChildSlot() = default;
  virtual std::shared_ptr<Layer> get() const = 0;
  virtual bool set(std::shared_ptr<Layer> layer) = 0;  // false: not of the type the parent needs
};

class Layer {
 public:
  Layer() = default;
  virtual ~Layer() = default;
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  virtual Tensor forward(const Tensor& x, BatchContext& context) = 0;
  // How a layer is called: forward, under the layer's name (tensor/diagnostics.h).
  Tensor operator()(const Tensor& x, BatchContext& context);

  std::vector<std::pair<std::string, std::shared_ptr<Layer>>> children() const;
  // Of this layer alone, by local name.
  const std::vector<std::pair<std::string, std::shared_ptr<Parameter>>>& parameters() const {
    return parameters_;
  }
  // A child that is known at run time only, beside the members of type Child<T>. Throws
  // Error(invalid_argument) if the name is taken, or empty, or has a dot.
  void add_child(const std::string& name, std::shared_ptr<Layer> layer);
  // Throws Error(invalid_argument) if there is no such child or the layer does not fit its place.
  void replace(const std::string& name, std::shared_ptr<Layer> layer);

  const std::string& path() const { return path_; }

 protected:
  template <class T>
  friend class Child;
  friend void assign_names(Layer& root, const std::string& path);

  std::shared_ptr<Parameter> add_parameter(std::string name, const Shape& shape, Init init);
  // Under a name that is taken it replaces; null removes.
  void share_parameter(std::string name, std::shared_ptr<Parameter> parameter);

 private:
  std::string path_;
  std::vector<std::pair<std::string, ChildSlot*>> slots_;
  std::vector<std::unique_ptr<ChildSlot>> own_slots_;  // of add_child
  std::vector<std::pair<std::string, std::shared_ptr<Parameter>>> parameters_;
};

// Declares a child of type T of the layer it stands in: `Child<Linear> c_fc{this, "c_fc"};`. A
// child without a name has its parent's path.
template <class T>
class Child final : public ChildSlot {
 public:
  Child(Layer* parent, const std::string& name) { parent->slots_.emplace_back(name, this); }
  Child& operator=(std::shared_ptr<T> layer) {
    layer_ = std::move(layer);
    return *this;
  }
  Tensor operator()(const Tensor& x, BatchContext& context) const { return (*layer_)(x, context); }
  T* operator->() const { return layer_.get(); }
  T& operator*() const { return *layer_; }
  std::shared_ptr<Layer> get() const override { return layer_; }
  bool set(std::shared_ptr<Layer> layer) override {
    auto typed = std::dynamic_pointer_cast<T>(std::move(layer));
    if (!typed) return false;
    layer_ = std::move(typed);
    return true;
  }

 private:
  std::shared_ptr<T> layer_;
};

// Names every layer and parameter below root by its path. Call again after replace().
void assign_names(Layer& root, const std::string& path = {});

// Every parameter below root, each once (the first name wins), in name order: the order of
// checkpoints, norms and optimizers.
std::vector<Parameter*> named_parameters(Layer& root);
// Those that are not frozen: what gradients and optimizers are made for.
std::vector<Parameter*> trainable_parameters(Layer& root);

// Gives every parameter memory on the device and its initial values.
struct MaterializeOptions {
  DType compute = DType::f32;
  DType params = DType::f32;  // of the masters; bf16 needs bf16 compute
  std::uint64_t seed = 1337;
  // Writes a parameter's value(), in place of initial values: from a file.
  std::function<void(Parameter&)> fill{};
};
void materialize(Layer& root, Device& device, const MaterializeOptions& options = {});
// The same in two steps, for some parameters alone: members of a pack need their memory together.
void allocate(Parameter& parameter, Device& device, const MaterializeOptions& options);
void fill(Parameter& parameter, const MaterializeOptions& options);

}  // namespace gigatrain::nn
