#include "kernels/reduce.h"

namespace gigatrain::kernels {

double tree_sum(double* values, std::int64_t n) {
  for (std::int64_t step = 1; step < n; step *= 2)
    for (std::int64_t i = 0; i + step < n; i += 2 * step) values[i] += values[i + step];
  return n > 0 ? values[0] : 0.0;
}

}  // namespace gigatrain::kernels
