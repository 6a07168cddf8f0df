// Shapes and windows of small convolutions, for the tests of the CPU's kernels and the GPU's.
#pragma once

#include "kernels/conv.h"
#include "kernels/same_bits.h"

namespace gigatrain::kernels::testing {

struct Geometry {
  std::int64_t n, c, h, w;
  ConvWindow window;
  std::int64_t rows() const { return conv_size(window, 0, h); }
  std::int64_t pixels() const { return rows() * conv_size(window, 1, w); }
  std::int64_t taps() const { return c * window.kernel[0] * window.kernel[1]; }
};

inline const std::vector<Geometry> kGeometries = {
    {2, 3, 5, 7, {.kernel = {3, 3}, .padding = {1, 1}}},
    {1, 2, 9, 8, {.kernel = {2, 3}, .stride = {2, 3}, .padding = {2, 1}, .dilation = {3, 2}}},
    {3, 1, 1, 40, {.kernel = {1, 5}, .stride = {1, 2}, .padding = {0, 9}}},
    {2, 2, 4, 4, {}},
    {1, 1, 3, 3, {.kernel = {1, 1}, .stride = {4, 4}, .padding = {5, 5}}},
    {0, 2, 4, 4, {.kernel = {2, 2}}},
    {1, 2, 20, 33, {.kernel = {4, 4}, .stride = {1, 1}, .padding = {3, 0}}},
};

}  // namespace gigatrain::kernels::testing
