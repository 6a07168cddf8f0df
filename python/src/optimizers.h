// What the optimizers of gigatrain.optim share: groups of parameters, and keeping alive what an
// optimizer updates.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "gigatrain/optim/optimizer.h"
#include "nn.h"

namespace gigatrain::python {

void bind_groups(py::module_& m);
void bind_make_optimizer(py::module_& m);

struct Group {
  ParameterList parameters;
  float lr_scale = 1.0f, weight_decay = 0.0f;
};

// What an optimizer's first argument stands for.
struct Chosen {
  ParameterList kept;
  std::vector<optim::ParameterGroup> groups;
};
Chosen choose(const py::object& what, const char* caller, float weight_decay);

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

}  // namespace gigatrain::python
