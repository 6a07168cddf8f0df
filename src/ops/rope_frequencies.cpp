// The frequencies of a rotary embedding, in f64: the formulas of Hugging Face's
// modeling_rope_utils.py, whose names the scaling's fields have.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "gigatrain/ops/rope.h"
#include "ops/checks.h"

namespace gigatrain::ops {

namespace {

using Kind = RopeScaling::Kind;
constexpr double kTurn = 2.0 * std::numbers::pi;

std::vector<double> plain(double theta, std::int64_t dims) {
  std::vector<double> radians;
  for (std::int64_t i = 0; i < dims; i += 2)
    radians.push_back(std::pow(theta, -static_cast<double>(i) / static_cast<double>(dims)));
  return radians;
}

// arXiv:2306.15595's successor: theta such that the lowest frequency is interpolated just enough.
double dynamic_theta(const RopeOptions& o, std::int64_t dims, std::int64_t length) {
  const auto trained = static_cast<double>(o.scaling.original_positions);
  const double used = std::max(static_cast<double>(length), trained);
  const double growth = o.scaling.factor * used / trained - (o.scaling.factor - 1.0);
  const auto d = static_cast<double>(dims);
  return o.theta * std::pow(growth, d / (d - 2.0));
}

void scale_llama3(const RopeScaling& s, std::vector<double>& radians) {
  for (double& r : radians) {
    const double turns = static_cast<double>(s.original_positions) * r / kTurn;  // in training
    const double kept = std::clamp(
        (turns - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor), 0.0, 1.0);
    r *= (1.0 - kept) / s.factor + kept;
  }
}

// The pair, as a fraction, that makes so many turns within the original positions.
double yarn_dim(const RopeOptions& o, std::int64_t dims, double turns) {
  const double pairs = static_cast<double>(dims) / 2.0;
  return pairs * std::log(static_cast<double>(o.scaling.original_positions) / (turns * kTurn)) /
         std::log(o.theta);
}

void scale_yarn(const RopeOptions& o, std::int64_t dims, std::vector<double>& radians) {
  double low = yarn_dim(o, dims, o.scaling.beta_fast);
  double high = yarn_dim(o, dims, o.scaling.beta_slow);
  if (o.scaling.truncate) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(dims - 1));
  if (low == high) high += 0.001;
  for (std::size_t i = 0; i < radians.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    radians[i] *= ramp / o.scaling.factor + (1.0 - ramp);
  }
}

double yarn_attention_factor(const RopeScaling& s) {
  if (s.attention_factor) return *s.attention_factor;
  const auto of = [&](double mscale) {
    return s.factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(s.factor) + 1.0;
  };
  return s.mscale != 0.0 && s.mscale_all_dim != 0.0 ? of(s.mscale) / of(s.mscale_all_dim) : of(1.0);
}

void check(const RopeOptions& o, std::int64_t head_dim, std::int64_t dims) {
  const RopeScaling& s = o.scaling;
  require(dims >= 0 && dims % 2 == 0 && dims <= head_dim, "rope",
          fmt::format("rotary_dims must be even and at most the head's {} elements, got {}",
                      head_dim, dims));
  require(std::isfinite(o.theta) && o.theta > 0.0, "rope",
          fmt::format("theta must be positive, got {}", o.theta));
  require(std::isfinite(s.factor) && s.factor > 0.0, "rope",
          fmt::format("the scaling's factor must be positive, got {}", s.factor));
  const bool trained = s.kind == Kind::dynamic || s.kind == Kind::llama3 || s.kind == Kind::yarn;
  require(!trained || s.original_positions > 0, "rope",
          fmt::format("dynamic, llama3 and yarn scaling need original_positions, got {}",
                      s.original_positions));
  require(s.kind != Kind::llama3 || s.low_freq_factor < s.high_freq_factor, "rope",
          fmt::format("llama3 scaling needs low_freq_factor < high_freq_factor, got {} and {}",
                      s.low_freq_factor, s.high_freq_factor));
}

}  // namespace

RopeFrequencies rope_frequencies(const RopeOptions& o, std::int64_t head_dim, std::int64_t length) {
  const std::int64_t dims = o.rotary_dims == 0 ? head_dim : o.rotary_dims;
  check(o, head_dim, dims);
  const RopeScaling& s = o.scaling;
  const double theta = s.kind == Kind::dynamic ? dynamic_theta(o, dims, length) : o.theta;
  RopeFrequencies f{.radians = plain(theta, dims)};
  if (s.kind == Kind::linear)
    for (double& r : f.radians) r /= s.factor;
  if (s.kind == Kind::llama3) scale_llama3(s, f.radians);
  if (s.kind == Kind::yarn) {
    scale_yarn(o, dims, f.radians);
    f.attention_factor = yarn_attention_factor(s);
  }
  return f;
}

}  // namespace gigatrain::ops
