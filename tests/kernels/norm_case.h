// The tensors of a layer norm with everything fused, for the tests of the CPU's kernel and the
// GPU's.
#pragma once

#include "kernels/norm.h"
#include "kernels/same_bits.h"

namespace gigatrain::kernels::testing {

// Everything a fused forward and backward read and write.
template <class T>
struct NormCase {
  Shape shape, columns;
  Array<T> x, delta, dy, dresidual, sum, y, dsum, ddelta;
  Array<float> weight, bias, mean, rstd, dweight, dbias;
  DropoutArgs dropout;

  NormCase(std::int64_t rows, std::int64_t n, float rate)
      : shape{rows, n},
        columns{n},
        x(random_array<T>(shape, 1)),
        delta(random_array<T>(shape, 2)),
        dy(random_array<T>(shape, 3)),
        dresidual(random_array<T>(shape, 4)),
        sum(shape),
        y(shape),
        dsum(shape),
        ddelta(shape),
        weight(random_array<float>(columns, 5)),
        bias(random_array<float>(columns, 6)),
        mean({rows}),
        rstd({rows}),
        dweight(columns, 0.5f),
        dbias(columns, 0.25f),
        dropout{.rate = rate, .key = {7, 8}, .step = 9, .first_sample = 3, .rows_per_sample = 5} {}

  LayerNormForward forward_args() {
    return {.x = x.view(),
            .delta = delta.view(),
            .weight = weight.view(),
            .bias = bias.view(),
            .sum = sum.view(),
            .y = y.view(),
            .mean = mean.view(),
            .rstd = rstd.view(),
            .dropout = dropout};
  }
  LayerNormBackward backward_args() {
    return {.s = sum.view(),
            .weight = weight.view(),
            .mean = mean.view(),
            .rstd = rstd.view(),
            .dy = dy.view(),
            .dresidual = dresidual.view(),
            .dsum = dsum.view(),
            .ddelta = dropout ? ddelta.view() : TensorView{},
            .dweight = dweight.view(),
            .dbias = dbias.view(),
            .accumulate = true,
            .dropout = dropout};
  }
  LayerNormForward rms_forward_args() {
    LayerNormForward args = forward_args();
    args.mean = args.bias = {};
    args.centered = false;
    return args;
  }
  LayerNormBackward rms_backward_args() {
    LayerNormBackward args = backward_args();
    args.mean = args.dbias = {};
    args.centered = false;
    return args;
  }
};

}  // namespace gigatrain::kernels::testing
