// A layer's weight, as its product reads it.
#pragma once

#include "gigatrain/nn/layer.h"
#include "gigatrain/tensor/tensor.h"

namespace gigatrain::nn {

// Use: a ParameterUse or a ParameterPack. Generation multiplies a row at a time and waits for the
// weights: a copy in 16 bits is half as much to read. Elsewhere it would only take memory.
template <class Use>
Tensor product_weight(Use& use, const BatchContext& context) {
  return context.cache ? use.tensor() : use.operand();
}

}  // namespace gigatrain::nn
