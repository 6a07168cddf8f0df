// The second half of a gradient's norm (kernels/reduce.h), from the sums of its chunks.
#pragma once

#include <vector>

#include "gigatrain/tensor/tensor.h"

namespace gigatrain::optim {

// {norm, factor} of clip_scale(). chunks_of: of each tensor, in name order; order: where the chunks
// are in `chunks`, i64; none: one after the other.
Tensor clip_from_chunks(const std::vector<std::int64_t>& chunks_of, const Tensor& chunks,
                        const Tensor& order, float max_norm, const Tensor& guard,
                        double loss_scale);

}  // namespace gigatrain::optim
