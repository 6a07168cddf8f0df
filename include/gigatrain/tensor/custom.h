// An op of one's own: make the outputs any way you like, under NoGrad, then put them on the tape
// with a function that turns gradients of outputs into gradients of inputs.
//
//   gt::Tensor square(const gt::Tensor& x) {
//     gt::Tensor y;
//     { gt::NoGrad off; y = gt::ops::mul(x, x); }
//     return gt::custom_op("square", {x}, {y}, {x}, [](const gt::CustomGradients& g) {
//       return std::vector{gt::ops::scale(gt::ops::mul(g.saved[0], g.dout[0]), 2.0)};
//     })[0];
//   }
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "gigatrain/tensor/tensor.h"

namespace gigatrain {

struct CustomGradients {
  const std::vector<Tensor>& saved;
  std::vector<Tensor> dout;  // of each output; undefined where none reached it
  std::vector<bool> wanted;  // of each input
};

// One gradient an input, of its shape and dtype; undefined where it is not wanted.
using CustomBackward = std::function<std::vector<Tensor>(const CustomGradients&)>;

// Returns the outputs, on the tape when an input wants a gradient. An input may be undefined. What
// the backward returns is checked: Error(invalid_argument) names the op, the input and the shape
// expected.
std::vector<Tensor> custom_op(std::string name, const std::vector<Tensor>& inputs,
                              const std::vector<Tensor>& outputs, const std::vector<Tensor>& saved,
                              CustomBackward backward);

}  // namespace gigatrain
