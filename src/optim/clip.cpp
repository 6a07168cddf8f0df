#include "gigatrain/optim/clip.h"

#include <cmath>

#include "kernels/reduce.h"

namespace gigatrain::optim {

double gradient_norm(const std::vector<Parameter*>& parameters) {
  std::vector<double> sums, partials;
  for (auto* p : parameters) {
    if (!p->grad) continue;
    const std::int64_t chunks =
        (p->grad.numel() + kernels::kScalarChunk - 1) / kernels::kScalarChunk;
    partials.assign(static_cast<std::size_t>(chunks), 0.0);
    p->grad.stream().submit(
        kernels::SumOfSquares{.x = p->grad.view(), .partials = partials.data()});
    sums.push_back(kernels::tree_sum(partials.data(), chunks));
  }
  return std::sqrt(kernels::tree_sum(sums.data(), static_cast<std::int64_t>(sums.size())));
}

float clip_factor(double norm, float max_norm) {
  if (max_norm <= 0.0f || !(norm > static_cast<double>(max_norm))) return 1.0f;
  return static_cast<float>(static_cast<double>(max_norm) / (norm + 1e-6));
}

}  // namespace gigatrain::optim
