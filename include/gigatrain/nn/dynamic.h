// A layer whose children and parameters are known only when the program runs: what a configuration
// describes, or what another language writes.
//
//   struct Stack : nn::Dynamic<nn::Layer> { Tensor forward(...) override; } stack;
//   stack.set_child("0", std::make_shared<nn::Linear>(...));
#pragma once

#include <list>
#include <memory>
#include <string>
#include <utility>

#include "gigatrain/nn/layer.h"

namespace gigatrain::nn {

class DynamicChildren {
 public:
  virtual ~DynamicChildren() = default;
  // Under a name that is taken it replaces; null removes.
  virtual void set_child(const std::string& name, std::shared_ptr<Layer> layer) = 0;
  virtual void set_parameter(const std::string& name, std::shared_ptr<Parameter> parameter) = 0;
};

// Base: Layer or a class derived from it.
template <class Base>
class Dynamic : public Base, public DynamicChildren {
 public:
  using Base::Base;

  void set_child(const std::string& name, std::shared_ptr<Layer> layer) override {
    for (auto& slot : slots_)
      if (slot.first == name) {
        slot.second = std::move(layer);
        return;
      }
    if (!layer) return;
    slots_.emplace_back(std::piecewise_construct, std::forward_as_tuple(name),
                        std::forward_as_tuple(this, name));
    slots_.back().second = std::move(layer);
  }
  void set_parameter(const std::string& name, std::shared_ptr<Parameter> parameter) override {
    this->share_parameter(name, std::move(parameter));
  }

 private:
  std::list<std::pair<std::string, Child<Layer>>> slots_;
};

}  // namespace gigatrain::nn
