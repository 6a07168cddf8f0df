// Outputs that are not kept for the backward: what else is saved gives them back.
#pragma once

#include <functional>

#include "gigatrain/tensor/tensor.h"

namespace gigatrain {

// Who saves `y` from now on saves `compute` in place of it, and calls that in its backward: it must
// give the same bits, from tensors that the tape keeps anyway, and cost little beside what uses y.
// On a CPU only: a GPU's memory is as scarce, but there the time has not been measured.
void recompute_in_backward(Tensor& y, std::function<Tensor()> compute);

// How the tape holds a tensor until the backward: one whose memory may go, as its source alone.
Tensor to_save(const Tensor& tensor);
// The other way round: with its memory.
Tensor saved_value(const Tensor& tensor);

}  // namespace gigatrain
