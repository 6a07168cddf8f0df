// The arithmetic of update.h's rules, written once: V is sixteen lanes on the CPU and one float on
// a GPU, Math says how to fuse, splat, take roots and signs. Both give the same bits: square root
// and division are IEEE's, and what is fused is fused everywhere.
#pragma once

#include "kernels/update.h"

#if defined(__CUDACC__)
#define GT_RULE __device__ __forceinline__
#else
#define GT_RULE inline __attribute__((always_inline))
#endif

namespace gigatrain::kernels {

// What a rule knows of the step and the tensor.
struct UpdateFactors {
  float clip, correction1, correction2, decay, minus_rate;
};

// The clip factor of a step; NaN means that nothing may change.
GT_RULE float clip_of(const double* clip) {
  return clip ? static_cast<float>(clip[1]) : 1.0f;
}

template <class Tensor>
GT_RULE UpdateFactors factors_of(const UpdateScalars& s, const Tensor& p, float clip) {
  return {.clip = clip,
          .correction1 = s.correction1,
          .correction2 = s.correction2,
          .decay = p.weight_decay,
          .minus_rate = -(s.lr * p.lr_scale)};
}

// Which element of the parameter element i of a tensor, or of a slice of one, is.
template <class Tensor>
GT_RULE std::int64_t element_of(const Tensor& p, std::int64_t i) {
  if constexpr (requires { p.first; })
    return p.first + i;
  else
    return i;
}

// Each returns the new weight, and changes m and v to what is kept; g comes unclipped.
template <class Math, class V>
GT_RULE V apply(const AdamWRule& r, const UpdateFactors& f, V w, V g, V& m, V& v) {
  g = g * f.clip;
  m = Math::fma(Math::splat(r.beta1), m, g * (1.0f - r.beta1));
  v = Math::fma(Math::splat(r.beta2), v, g * (1.0f - r.beta2) * g);
  const V step = m * f.correction1 / (Math::root(v * f.correction2) + r.eps);
  return Math::fma(Math::fma(Math::splat(f.decay), w, step), Math::splat(f.minus_rate), w);
}

template <class Math, class V>
GT_RULE V apply(const SgdRule& r, const UpdateFactors& f, V w, V g, V& m, V&) {
  if (r.clips) g = g * f.clip;
  if (!r.decoupled) g = Math::fma(Math::splat(f.decay), w, g);
  m = Math::fma(Math::splat(r.momentum), m, g);
  V step = r.nesterov ? Math::fma(Math::splat(r.momentum), m, g) : m;
  if (r.decoupled) step = Math::fma(Math::splat(f.decay), w, step);
  return Math::fma(step, Math::splat(f.minus_rate), w);
}

template <class Math, class V>
GT_RULE V apply(const LionRule& r, const UpdateFactors& f, V w, V g, V& m, V&) {
  g = g * f.clip;
  const V step = Math::sign(Math::fma(Math::splat(r.beta1), m, g * (1.0f - r.beta1)));
  m = Math::fma(Math::splat(r.beta2), m, g * (1.0f - r.beta2));
  return Math::fma(Math::fma(Math::splat(f.decay), w, step), Math::splat(f.minus_rate), w);
}

}  // namespace gigatrain::kernels
