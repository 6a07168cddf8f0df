// Long curves in bounded memory: nothing extreme is lost, and a replayed step replaces its first.
#include "train/curve.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

using namespace gigatrain;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Curve line(std::int64_t points) {
  Curve curve;
  for (std::int64_t i = 1; i <= points; ++i) curve.add(i, 2.0 * static_cast<double>(i));
  return curve;
}

}  // namespace

TEST_CASE("curve: up to 1,024 points stay as they are", "[unit][report]") {
  const Curve curve = line(Curve::kMost);
  REQUIRE(curve.buckets().size() == Curve::kMost);
  CHECK(curve.span() == 1);
  CHECK(curve.buckets()[41].step() == 42);
  CHECK(curve.buckets()[41].mean() == 84);
}

TEST_CASE("curve: a longer one keeps its smallest, largest and mean values", "[unit][report]") {
  Curve curve;
  double sum = 0;
  for (std::int64_t i = 1; i <= 10'000; ++i) {
    const double value = i == 5'003 ? 1e6 : i == 7'777 ? -1e6 : std::sin(static_cast<double>(i));
    curve.add(i, value);
    sum += value;
  }
  double low = 0, high = 0, total = 0;
  std::int64_t points = 0, before = 0;
  for (const auto& b : curve.buckets()) {
    low = std::min(low, b.low), high = std::max(high, b.high), total += b.sum;
    CHECK(b.first == before + 1);  // every step is in exactly one bucket
    points += b.points, before = b.last;
  }
  CHECK(curve.buckets().size() <= Curve::kMost);
  CHECK(curve.span() == 16);
  CHECK(points == 10'000);
  CHECK(low == -1e6);
  CHECK(high == 1e6);
  CHECK(total == Approx(sum));
}

TEST_CASE("curve: a straight line stays straight", "[unit][report]") {
  const Curve curve = line(50'001);
  for (const auto& b : curve.buckets()) CHECK(b.mean() == Approx(2 * b.step()));
}

TEST_CASE("curve: a step that comes again replaces what stood from there on", "[unit][report]") {
  Curve curve = line(120);
  curve.add(101, -1);
  REQUIRE(curve.buckets().size() == 101);
  CHECK(curve.buckets().back().mean() == -1);
  CHECK(curve.buckets()[99].mean() == 200);
  Curve merged = line(5'000);
  merged.add(2, 7);
  CHECK(merged.buckets().back().last == 2);
}

TEST_CASE("curve: what is not finite is a gap, and no neighbour's value", "[unit][report]") {
  Curve curve;
  for (const double value : {1.0, kNan, std::numeric_limits<double>::infinity(), 3.0})
    curve.add(static_cast<std::int64_t>(curve.buckets().size()), value);
  CHECK(curve.buckets()[0].mean() == 1);
  CHECK(std::isnan(curve.buckets()[1].mean()));
  CHECK(std::isnan(curve.buckets()[2].mean()));
  Curve merged;
  for (std::int64_t i = 0; i < 4'096; ++i) merged.add(i, i % 4 == 0 ? 5 : kNan);
  for (const auto& b : merged.buckets()) {
    CHECK(b.mean() == 5);
    CHECK(b.low == 5);
    CHECK(b.high == 5);
  }
}
