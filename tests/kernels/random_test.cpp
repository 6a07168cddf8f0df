// Initial values: their distribution, and that they depend on key and element only.
#include "kernels/random.h"

#include "kernels/same_bits.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

TEST_CASE("normal numbers have the moments of a normal", "[unit][kernels]") {
  const std::int64_t n = 400001;
  Array<float> y({n});
  Device device;
  run(device.stream().cpu(),
      FillNormal{.y = y.view(), .key = {1, 2}, .mean = 3.0f, .stddev = 0.5f});
  double moments[5] = {};
  double pairs = 0.0;
  for (std::int64_t i = 0; i < n; ++i) {
    const double z = (y.at(i) - 3.0) / 0.5;
    for (int k = 1; k < 5; ++k) moments[k] += std::pow(z, k) / static_cast<double>(n);
    if (i > 0) pairs += z * (y.at(i - 1) - 3.0) / 0.5 / static_cast<double>(n);
  }
  CHECK(moments[1] == Approx(0.0).margin(0.008));
  CHECK(moments[2] == Approx(1.0).margin(0.012));
  CHECK(moments[3] == Approx(0.0).margin(0.02));
  CHECK(moments[4] == Approx(3.0).margin(0.1));
  CHECK(pairs == Approx(0.0).margin(0.008));
}

TEST_CASE("normal numbers are Box and Muller's of the contract's words", "[unit][kernels]") {
  Array<float> y({103});
  Device device;
  run(device.stream().cpu(), FillNormal{.y = y.view(), .key = {5, 6}});
  double worst = 0.0;
  for (std::int64_t i = 0; i < y.size(); ++i) {
    const auto block = philox_block({5, 6}, static_cast<std::uint64_t>(i), 0, 0);
    const auto pair = static_cast<std::size_t>(i % 4 / 2 * 2);
    const double radius = std::sqrt(-2.0 * std::log(double{to_uniform(block[pair])}));
    const double angle = 2.0 * M_PI * to_uniform(block[pair + 1]);
    worst =
        std::max(worst, std::abs(y.at(i) - radius * (i % 2 ? std::sin(angle) : std::cos(angle))));
  }
  CHECK(worst < 1e-6);
}

TEST_CASE("uniform numbers fill their interval and stay in it", "[unit][kernels]") {
  const std::int64_t n = 100003;
  Array<float> y({n}), unit({n}), thin({n});
  Device device;
  run(device.stream().cpu(), FillUniform{.y = y.view(), .key = {1, 2}, .low = -3.0f, .high = 1.0f});
  run(device.stream().cpu(), FillUniform{.y = unit.view(), .key = {1, 2}});
  const float next = std::nextafter(8.0f, 9.0f);
  run(device.stream().cpu(),
      FillUniform{.y = thin.view(), .key = {1, 2}, .low = 8.0f, .high = next});
  double mean = 0.0;
  bool inside = true, defined = true;
  for (std::int64_t i = 0; i < n; ++i) {
    mean += y.at(i) / static_cast<double>(n);
    inside = inside && y.at(i) >= -3.0 && y.at(i) < 1.0 && thin.at(i) == 8.0;
    const auto block = philox_block({1, 2}, static_cast<std::uint64_t>(i), 0, 0);
    defined = defined && unit[i] == to_uniform(block[static_cast<std::size_t>(i % 4)]);
  }
  CHECK(mean == Approx(-1.0).margin(0.02));
  CHECK(inside);
  CHECK(defined);
}

TEST_CASE("a longer tensor starts with the shorter one's values", "[unit][kernels]") {
  Array<float> shorter({77}), longer({20011});
  Device device;
  run(device.stream().cpu(), FillNormal{.y = shorter.view(), .key = {9, 9}});
  run(device.stream().cpu(), FillNormal{.y = longer.view(), .key = {9, 9}});
  CHECK(std::equal(shorter.values.begin(), shorter.values.end(), longer.values.begin()));
}

TEST_CASE("initial values are the same bits everywhere", "[unit][kernels]") {
  check_same_bits([](Stream& stream) {
    Array<float> normal({50021}), uniform({50021});
    run(stream.cpu(), FillNormal{.y = normal.view(), .key = {3, 4}, .stddev = 0.02f});
    run(stream.cpu(), FillUniform{.y = uniform.view(), .key = {3, 4}, .low = -0.1f, .high = 0.1f});
    return bytes_of(normal, uniform);
  });
}

}  // namespace
}  // namespace gigatrain::kernels
