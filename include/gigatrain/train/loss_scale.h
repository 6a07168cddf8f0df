// The factor of the loss before a backward in f16, so that small gradients do not vanish in its
// narrow range (Micikevicius et al., arXiv:1710.03740); the update divides it out again. Powers of
// two: a scale changes what fits into f16, and nothing else.
#pragma once

#include <cstdint>

namespace gigatrain {

struct LossScaleOptions {
  double fixed = 0;                     // 0: dynamic, the fields below
  double initial = 65536;               // of the first step
  std::int64_t growth_interval = 2000;  // good steps in succession until it doubles
};

// Halved when a step's loss or gradients are not finite, doubled after many good steps.
class LossScale {
 public:
  static constexpr double kLeast = 0x1p-14, kMost = 0x1p24;

  // Throws Error(invalid_argument) for a scale that is no power of two from kLeast to kMost.
  explicit LossScale(const LossScaleOptions& options);

  double value() const { return value_; }
  std::int64_t good_steps() const { return good_steps_; }  // since it last changed
  void good();                                             // after a good step
  // After another. False: it is fixed, or as small as it gets, and the run must stop.
  bool halve();
  // Of a checkpoint; a fixed scale stays what it is. Throws as the constructor.
  void restore(double value, std::int64_t good_steps);

 private:
  LossScaleOptions options_;
  double value_;
  std::int64_t good_steps_ = 0;
};

}  // namespace gigatrain
