// The two index spaces of a Sum on the GPU: what y keeps, and what one of its elements sums.
#pragma once

#include "kernels/cuda/strided.cuh"
#include "kernels/reduce.h"

namespace gigatrain::kernels::cuda {

template <class T>
inline constexpr int kSumPack = sizeof(T) == 8 ? 2 : 4;  // elements that a lane reads at once

// Where elements are, numbered in row-major order: those that y keeps, in x and in y; and those
// that one of them sums, in x.
struct SumSpaces {
  StridedWalk<2> kept;
  StridedWalk<1> summed;

  GT_DEVICE std::int64_t kept_in_x(std::int64_t i) const { return kept_at(i, 0); }
  GT_DEVICE std::int64_t kept_in_y(std::int64_t i) const { return kept_at(i, 1); }
  GT_DEVICE std::int64_t kept_at(std::int64_t i, int view) const {
    std::int64_t at[2];
    kept.offsets(i, at);
    return view == 0 ? at[0] : at[1];
  }
  GT_DEVICE std::int64_t summed_in_x(std::int64_t i) const {
    std::int64_t at[1];
    summed.offsets(i, at);
    return at[0];
  }
  // Are the summed elements of each output side by side?
  bool sums_lines() const {
    return summed.total <= 1 || (summed.dims == 1 && summed.stride[0][0] == 1);
  }
  // Outputs whose elements are side by side in x.
  std::int64_t neighbours() const { return kept.stride[0][0] == 1 ? kept.size[0] : 1; }
};

inline SumSpaces sum_spaces(const Sum& a) {
  TensorView x = a.x, y = a.y, rest = a.x;
  for (int d = 0; d < a.x.shape.dims(); ++d) {
    const bool summed = a.y.shape[d] == 1 && a.x.shape[d] != 1;
    (summed ? x : rest).shape[d] = 1;
  }
  return {.kept = make_walk<2>({&x, &y}), .summed = make_walk<1>({&rest})};
}

// May each output's elements be read in packs?
template <class T>
bool packs_fit(const SumSpaces& spaces, const T* x) {
  constexpr int N = kSumPack<T>;
  bool fit = spaces.sums_lines() && spaces.summed.total % N == 0 &&
             reinterpret_cast<std::uintptr_t>(x) % (N * sizeof(T)) == 0;
  for (int d = 0; d < spaces.kept.dims; ++d) fit = fit && spaces.kept.stride[d][0] % N == 0;
  return fit;
}

}  // namespace gigatrain::kernels::cuda
