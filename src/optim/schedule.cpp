#include "gigatrain/optim/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "gigatrain/base/error.h"

namespace gigatrain::optim {

float Schedule::at(std::int64_t step) const {
  if (step < warmup) return lr * static_cast<float>(step + 1) / static_cast<float>(warmup);
  if (kind == Kind::constant) return lr;
  const double span = static_cast<double>(std::max<std::int64_t>(steps - warmup, 1));
  const double t = std::clamp(static_cast<double>(step - warmup) / span, 0.0, 1.0);
  const double fall = kind == Kind::linear ? 1.0 - t : 0.5 * (1.0 + std::cos(std::numbers::pi * t));
  const double floor = static_cast<double>(min_lr);
  return static_cast<float>(static_cast<double>(lr) * (floor + (1.0 - floor) * fall));
}

Schedule::Kind parse_schedule(std::string_view kind) {
  if (kind == "constant") return Schedule::Kind::constant;
  if (kind == "linear") return Schedule::Kind::linear;
  if (kind == "cosine") return Schedule::Kind::cosine;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("schedule.kind must be constant, linear or cosine, got '{}'", kind));
}

}  // namespace gigatrain::optim
