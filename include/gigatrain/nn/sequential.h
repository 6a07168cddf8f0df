// Activations, dropout and a chain of layers, for networks put together from parts.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "gigatrain/nn/layer.h"

namespace gigatrain::nn {

// A function of one tensor as a layer: `nn::Function(ops::gelu)`.
class Function : public Layer {
 public:
  explicit Function(std::function<Tensor(const Tensor&)> f) : f_(std::move(f)) {}
  Tensor forward(const Tensor& x, BatchContext&) override { return f_(x); }

 private:
  std::function<Tensor(const Tensor&)> f_;
};

class Gelu : public Function {  // tanh form, as ops::gelu
 public:
  Gelu();
};
class Relu : public Function {  // max(x, 0)
 public:
  Relu();
};
class Sigmoid : public Function {  // 1 / (1 + exp(-x))
 public:
  Sigmoid();
};
class Silu : public Function {  // x / (1 + exp(-x))
 public:
  Silu();
};
class Tanh : public Function {
 public:
  Tanh();
};

// Zeroes elements of x (B, ..., C) with this probability while training, and scales the others.
class Dropout : public Layer {
 public:
  explicit Dropout(float rate);
  Tensor forward(const Tensor& x, BatchContext& context) override;

 private:
  float rate_;
};

// Layers one after the other; children "0", "1", ...
class Sequential : public Layer {
 public:
  Sequential() = default;
  explicit Sequential(const std::vector<std::shared_ptr<Layer>>& layers);
  Sequential& append(std::shared_ptr<Layer> layer);
  Tensor forward(const Tensor& x, BatchContext& context) override;
};

}  // namespace gigatrain::nn
