// The node of a loss whose gradients were made in the forward's pass.
#pragma once

#include <initializer_list>

#include "gigatrain/tensor/tensor.h"

namespace gigatrain::ops {

// Puts `loss`, a scalar of `inputs`, on the tape; gradients[i] is d loss / d inputs[i], in
// memory that nobody else has.
void keep_gradients(const char* op, std::initializer_list<Tensor> inputs,
                    std::initializer_list<Tensor> gradients, Tensor& loss);

}  // namespace gigatrain::ops
