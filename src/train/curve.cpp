#include "train/curve.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace gigatrain {

namespace {

Curve::Bucket bucket(std::int64_t step, double value) {
  const auto x = static_cast<double>(step);
  if (!std::isfinite(value)) return {step, step, 1, 0, x, 0, 0, 0};
  return {step, step, 1, 1, x, value, value, value};
}

Curve::Bucket merged(const Curve::Bucket& a, const Curve::Bucket& b) {
  Curve::Bucket all = a.finite == 0 ? b : a;
  if (a.finite > 0 && b.finite > 0) {
    all.low = std::min(a.low, b.low);
    all.high = std::max(a.high, b.high);
  }
  all.first = a.first;
  all.last = b.last;
  all.points = a.points + b.points;
  all.finite = a.finite + b.finite;
  all.sum = a.sum + b.sum;
  all.sum_steps = a.sum_steps + b.sum_steps;
  return all;
}

}  // namespace

double Curve::Bucket::step() const {
  return sum_steps / static_cast<double>(points);
}

double Curve::Bucket::mean() const {
  if (finite == 0) return std::numeric_limits<double>::quiet_NaN();
  return sum / static_cast<double>(finite);
}

void Curve::add(std::int64_t step, double value) {
  while (!buckets_.empty() && buckets_.back().last >= step) buckets_.pop_back();
  const bool full = buckets_.empty() || buckets_.back().points >= span_;
  if (!full) {
    buckets_.back() = merged(buckets_.back(), bucket(step, value));
    return;
  }
  if (buckets_.size() == kMost) halve();
  buckets_.push_back(bucket(step, value));
}

void Curve::halve() {
  for (std::size_t i = 0; i < kMost / 2; ++i)
    buckets_[i] = merged(buckets_[2 * i], buckets_[2 * i + 1]);
  buckets_.resize(kMost / 2);
  span_ *= 2;
}

}  // namespace gigatrain
