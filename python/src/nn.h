// Layers across the border: the context that Python layers find without passing it on, and what a
// class derived in Python does when C++ calls it.
#pragma once

#include "common.h"
#include "gigatrain/nn/dynamic.h"

namespace gigatrain::python {

using ParameterList = std::vector<std::shared_ptr<Parameter>>;

void bind_layers(py::module_& nn);
void bind_sequential(py::module_& nn);
void bind_model(py::module_& nn);   // Model and the heads
void bind_models(py::module_& nn);  // language models
void bind_llama(py::module_& nn, py::module_& m);
void bind_state(py::module_& nn);
void bind_optimizers(py::module_& optim);
void bind_ema(py::module_& optim);

// The context that a call runs in: the one given, else the innermost of this thread, else one for
// evaluation.
nn::BatchContext& context_or_current(nn::BatchContext* given);

// Makes a context the innermost of this thread while it lives.
class ContextScope {
 public:
  explicit ContextScope(nn::BatchContext& context);
  ~ContextScope();
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;
};

// Every parameter below the layer, each once, in order of its path; and with that path.
ParameterList parameters_of(nn::Layer& root);
// Where the model's values are; raises before materialize().
Device& device_of(nn::Layer& model);
std::vector<std::pair<std::string, std::shared_ptr<Parameter>>> paths_of(nn::Layer& root);
// A layer, a parameter, or an iterable of parameters. `what` names the caller in errors.
ParameterList parameters_from(const py::object& object, const char* what);
std::vector<Parameter*> pointers_to(const ParameterList& parameters);

// The tensor that a Python method must return.
Tensor tensor_result(const py::object& result, const py::handle& self, const char* method);

[[noreturn]] void not_written(const py::handle& self, const char* method);

// Forward of a layer written in Python. Base: the class that Python derives from.
template <class Base>
class PyForward : public nn::Dynamic<Base>, public py::trampoline_self_life_support {
 public:
  Tensor forward(const Tensor& x, nn::BatchContext& context) override {
    const py::gil_scoped_acquire lock;
    const ContextScope scope(context);
    const py::object self = py::cast(static_cast<Base*>(this));
    const py::function written = py::get_override(static_cast<const Base*>(this), "forward");
    if (!written) not_written(self, "forward(self, x)");
    return tensor_result(written(x), self, "forward");
  }
};

}  // namespace gigatrain::python
