// Updates of weights element by element, one pass over many tensors; g = gradient * clip factor,
// rate = lr * lr_scale.
//
//   AdamW (Loshchilov and Hutter, arXiv:1711.05101)
//     m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2
//     w -= rate (m c1 / (sqrt(v c2) + eps) + decay w),   c1 = 1/(1-b1^t), c2 = 1/(1-b2^t)
//   SGD (Sutskever et al., ICML 2013, as torch.optim.SGD with dampening 0)
//     g += decay w (L2; or `decoupled`, as AdamW's);  m = momentum m + g
//     w -= rate (nesterov ? g + momentum m : m)
//   Lion (Chen et al., arXiv:2302.06675)
//     u = sign(b1 m + (1-b1) g);  m = b2 m + (1-b2) g;  w -= rate (u + decay w)
//
// Step-varying scalars are read from memory, never passed by value, so that a captured launch can
// be replayed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "gigatrain/base/dtype.h"
#include "gigatrain/base/philox.h"
#include "gigatrain/base/tensor_view.h"
#include "kernels/kernel.h"

namespace gigatrain::kernels {

struct UpdateScalars {
  float lr = 0;
  float correction1 = 1;   // c1
  float correction2 = 1;   // c2
  std::uint32_t step = 0;  // for stochastic rounding
};

// A 16-bit copy of a weight: bf16 or f16.
struct NarrowWeight {
  void* data = nullptr;
  DType dtype = DType::bf16;

  constexpr NarrowWeight() = default;
  constexpr NarrowWeight(std::nullptr_t) {}
  constexpr NarrowWeight(bf16* p) : data(p) {}
  constexpr NarrowWeight(f16* p) : data(p), dtype(DType::f16) {}
  constexpr explicit operator bool() const { return data != nullptr; }
  template <class T>
  constexpr T* as() const {
    return static_cast<T*>(data);
  }
};

struct UpdateTensor {
  float* weight = nullptr;  // f32 master; none: `compute` (bf16) is it, rounded stochastically
  const float* grad = nullptr;
  float* exp_avg = nullptr;     // m; none for SGD without momentum
  float* exp_avg_sq = nullptr;  // v; AdamW only
  NarrowWeight compute{};       // the weight, rounded to nearest, is written here too, if given
  PhiloxKey rounding{};         // without a master: element i takes word i of (key, sample 0, step)
  std::int64_t numel = 0;
  std::int64_t first = 0;  // of a slice: its element i is element first + i of the parameter, for
                           // the random words; a multiple of 4
  float lr_scale = 1;
  float weight_decay = 0;
};

// The arithmetic of each rule stands in update_rules.h.
struct AdamWRule {
  static constexpr const char* kName = "adamw";
  float beta1 = 0.9f, beta2 = 0.999f, eps = 1e-8f;
};
struct SgdRule {
  static constexpr const char* kName = "sgd";
  float momentum = 0;
  bool nesterov = false;
  bool decoupled = false;  // decay is not part of the gradient, hence not of the momentum
  bool clips = true;       // false: g is the gradient itself, only a factor that is NaN counts
};
struct LionRule {
  static constexpr const char* kName = "lion";
  float beta1 = 0.9f, beta2 = 0.99f;
};

template <class Rule>
struct Update {
  static constexpr const char* kName = Rule::kName;
  const UpdateTensor* tensors = nullptr;  // an array of the host
  std::int64_t count = 0;
  const UpdateScalars* scalars = nullptr;  // in the device's memory
  const double* clip = nullptr;  // result of NormOfChunks, in the device's memory, or none; with a
                                 // factor that is NaN nothing is changed
  Rule rule{};
};
using AdamW = Update<AdamWRule>;
using Sgd = Update<SgdRule>;
using Lion = Update<LionRule>;

GT_KERNEL(AdamW)
GT_KERNEL(Sgd)
GT_KERNEL(Lion)

}  // namespace gigatrain::kernels
