#include "gigatrain/train/loss_scale.h"

#include <fmt/format.h>

#include <cmath>

#include "gigatrain/base/error.h"

namespace gigatrain {

namespace {

double checked(double scale) {
  int exponent = 0;
  if (!(scale >= LossScale::kLeast && scale <= LossScale::kMost) ||
      std::frexp(scale, &exponent) != 0.5)
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("a loss scale must be a power of two from 2^-14 to 2^24, got {:g}", scale));
  return scale;
}

}  // namespace

LossScale::LossScale(const LossScaleOptions& options)
    : options_(options), value_(checked(options.fixed != 0 ? options.fixed : options.initial)) {
  if (options.growth_interval < 1)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a loss scale's growth_interval must be at least 1, got {}",
                            options.growth_interval));
}

void LossScale::good() {
  if (options_.fixed != 0 || value_ == kMost) return;
  if (++good_steps_ < options_.growth_interval) return;
  value_ *= 2;
  good_steps_ = 0;
}

bool LossScale::halve() {
  if (options_.fixed != 0 || value_ == kLeast) return false;
  value_ /= 2;
  good_steps_ = 0;
  return true;
}

void LossScale::restore(double value, std::int64_t good_steps) {
  if (options_.fixed != 0) return;
  value_ = checked(value);
  good_steps_ = good_steps;
}

}  // namespace gigatrain
