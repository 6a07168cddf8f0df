// Runs a case of op_cases.h on a device: its outputs, and the gradients of the scalar
// L = sum over outputs of <output, fixed weights>. The truth it is compared with is the composed
// definition in f64 on the CPU, whose own gradients are checked against central differences.
#pragma once

#include <string>
#include <vector>

#include "gigatrain/tensor/check_gradients.h"
#include "gigatrain/tensor/node.h"
#include "support/op_cases.h"

namespace gigatrain::test {

struct Evaluation {
  std::vector<double> outputs;                 // of all outputs, one after the other
  std::vector<std::vector<double>> gradients;  // one an input

  bool operator==(const Evaluation&) const = default;
};

inline std::vector<double> cotangent(const Tensor& y, std::size_t output) {
  return random_values(y.numel(), "cotangent" + std::to_string(output));
}

inline Tensors run(const OpCase& c, bool composed, const Tensors& inputs) {
  return composed && c.composed ? c.composed(inputs) : c.op(inputs);
}

// L alone, of the composed definition.
inline double value(const OpCase& c, const Tensors& inputs) {
  const NoGrad off;
  double total = 0;
  const Tensors outputs = run(c, true, inputs);
  for (std::size_t o = 0; o < outputs.size(); ++o) {
    const auto y = outputs[o].to_vector<double>(), w = cotangent(outputs[o], o);
    for (std::size_t i = 0; i < y.size(); ++i) total += y[i] * w[i];
  }
  return total;
}

inline Evaluation evaluate(const OpCase& c, bool composed, const Tensors& inputs) {
  Evaluation e;
  const Tensors outputs = run(c, composed, inputs);
  Tensor total;
  for (std::size_t o = 0; o < outputs.size(); ++o) {
    const auto y = outputs[o].to_vector<double>();
    e.outputs.insert(e.outputs.end(), y.begin(), y.end());
    const Tensor w = tensor_of(outputs[o].device(), outputs[o].shape(), cotangent(outputs[o], o),
                               outputs[o].dtype());
    const Tensor part = ops::sum(ops::mul(outputs[o], w));
    total = total ? ops::add(total, part) : part;
  }
  backward(total);
  for (const auto& in : inputs) e.gradients.push_back(in.leaf()->gradient.to_vector<double>());
  return e;
}

// The op itself, on inputs of this dtype made on this device.
inline Evaluation evaluate_on(Device& device, const OpCase& c, DType dtype) {
  return evaluate(c, false, make_inputs(device, c, dtype));
}
inline Evaluation truth_of(Device& cpu, const OpCase& c) {
  return evaluate(c, true, make_inputs(cpu, c, DType::f64));
}

// dL/d(input `which`); the inputs are f64 in the host's memory.
inline std::vector<double> central_differences(const OpCase& c, const Tensors& inputs,
                                               std::size_t which) {
  return gigatrain::central_differences([&] { return value(c, inputs); }, inputs[which]);
}

}  // namespace gigatrain::test
