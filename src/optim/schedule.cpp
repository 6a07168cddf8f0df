#include "gigatrain/optim/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "gigatrain/base/error.h"

namespace gigatrain::optim {

namespace {

// Where the fall begins: right after the warm-up, or with the last part of the run.
std::int64_t fall_begins(const Schedule& s) {
  if (s.kind != Schedule::Kind::wsd) return s.warmup;
  const double steps = std::round(static_cast<double>(s.decay) * static_cast<double>(s.steps));
  return std::max(s.warmup, s.steps - static_cast<std::int64_t>(steps));
}

// From 1 at t = 0 to 0 at t = 1.
double fall(const Schedule& s, double t) {
  if (s.kind == Schedule::Kind::cosine) return 0.5 * (1.0 + std::cos(std::numbers::pi * t));
  const bool root = s.kind == Schedule::Kind::wsd && s.shape == Schedule::Shape::sqrt;
  return 1.0 - (root ? std::sqrt(t) : t);
}

double inverse_sqrt(const Schedule& s, std::int64_t step) {
  const auto peak_at = static_cast<double>(std::max<std::int64_t>(s.warmup, 1));
  return std::max(std::sqrt(peak_at / static_cast<double>(step + 1)),
                  static_cast<double>(s.min_lr));
}

}  // namespace

float Schedule::at(std::int64_t step) const {
  if (step < warmup) return lr * static_cast<float>(step + 1) / static_cast<float>(warmup);
  if (kind == Kind::constant) return lr;
  if (kind == Kind::inverse_sqrt)
    return static_cast<float>(static_cast<double>(lr) * inverse_sqrt(*this, step));
  const std::int64_t begin = fall_begins(*this);
  const double span = static_cast<double>(std::max<std::int64_t>(steps - begin, 1));
  const double t = std::clamp(static_cast<double>(step - begin) / span, 0.0, 1.0);
  const double floor = static_cast<double>(min_lr);
  return static_cast<float>(static_cast<double>(lr) * (floor + (1.0 - floor) * fall(*this, t)));
}

Schedule::Kind parse_schedule(std::string_view kind) {
  if (kind == "constant") return Schedule::Kind::constant;
  if (kind == "linear") return Schedule::Kind::linear;
  if (kind == "cosine") return Schedule::Kind::cosine;
  if (kind == "inverse_sqrt") return Schedule::Kind::inverse_sqrt;
  if (kind == "wsd") return Schedule::Kind::wsd;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("schedule.kind must be constant, linear, cosine, inverse_sqrt or wsd, "
                          "got '{}'",
                          kind));
}

Schedule::Shape parse_decay_shape(std::string_view shape) {
  if (shape == "linear") return Schedule::Shape::linear;
  if (shape == "sqrt") return Schedule::Shape::sqrt;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("schedule.decay_shape must be linear or sqrt, got '{}'", shape));
}

}  // namespace gigatrain::optim
