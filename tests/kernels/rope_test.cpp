// Rotary embeddings against their formulas in f64, at positions up to a million.
#include "kernels/rope.h"

#include "kernels/rope_case.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

template <class T>
void check_case(const RopeShape& shape) {
  CAPTURE(shape.d, shape.pairs, shape.interleaved, shape.norm, shape.heads());
  RopeCase<T> c(shape);
  Device device;
  device.stream().submit(c.forward());
  device.stream().submit(c.backward());
  const auto want = c.reference();
  CHECK(relative_error(c.y, want.y) < kRounding<T>);
  CHECK(relative_error(c.dx, want.dx) < kRounding<T> + 1e-7);
  if (!shape.norm) return;
  CHECK(relative_error(c.dq_weight, want.dq) < 1e-6);
  CHECK(relative_error(c.dk_weight, want.dk) < 1e-6);
}

TEMPLATE_TEST_CASE("rope follows its formulas", "[unit][kernels]", float, bf16) {
  for (const bool interleaved : {false, true})
    for (const bool norm : {false, true}) {
      check_case<TestType>({.interleaved = interleaved, .norm = norm});
      check_case<TestType>(
          {.others = 0, .d = 33, .pairs = 5, .interleaved = interleaved, .norm = norm});
      check_case<TestType>(
          {.t = 71, .d = 128, .pairs = 64, .interleaved = interleaved, .norm = norm});
      check_case<TestType>({.q = 1, .k = 1, .d = 80, .pairs = 0, .norm = norm});
      check_case<TestType>(
          {.k = 0, .d = 512, .pairs = 256, .interleaved = interleaved, .norm = norm});
    }
}

// One element's rotation shows the angle itself.
TEST_CASE("rope's angles are exact to f32 at any position", "[unit][kernels]") {
  const std::vector<std::int32_t> positions{0, 1, 4095, 131071, 999999, 1 << 20, 0x7fffffff, -3};
  const auto n = static_cast<std::int64_t>(positions.size());
  RopeCase<float> c(
      {.b = 1, .t = n, .q = 1, .k = 0, .others = 0, .d = 128, .pairs = 64, .norm = false});
  c.positions.values = positions;
  c.angles.positions = c.positions.view();
  c.angles.scale = 1.0f;
  for (std::int64_t i = 0; i < c.x.size(); ++i) c.x[i] = i % 128 < 64 ? 1.0f : 0.0f;
  Device device;
  device.stream().submit(c.forward());
  double worst = 0.0;
  for (std::int64_t row = 0; row < n; ++row)
    for (std::int64_t i = 0; i < 64; ++i) {
      const long double angle = static_cast<long double>(positions[static_cast<std::size_t>(row)]) *
                                static_cast<long double>(test_radians(i));
      worst = std::max(worst, std::abs(c.y.at(row * 128 + i) - double(std::cos(angle))));
      worst = std::max(worst, std::abs(c.y.at(row * 128 + 64 + i) - double(std::sin(angle))));
    }
  CHECK(worst < 1.2e-7);
}

TEST_CASE("rope turns in place, and backwards", "[unit][kernels]") {
  for (const bool norm : {false, true}) {
    RopeCase<float> c({.d = 64, .pairs = 32, .norm = norm}), other(c);
    Device device;
    device.stream().submit(c.forward());
    device.stream().submit(c.backward());
    RopeForward forward = other.forward();
    RopeBackward backward = other.backward();
    backward.dx = backward.dy;
    device.stream().submit(backward);  // first: it reads x
    forward.y = forward.x;
    device.stream().submit(forward);
    CHECK((other.dy.values == c.dx.values));
    CHECK((other.x.values == c.y.values));
  }
}

TEMPLATE_TEST_CASE("rope gives the same bits everywhere", "[unit][kernels]", float, bf16) {
  for (const bool interleaved : {false, true})
    check_same_bits([interleaved](Stream& stream) {
      RopeCase<TestType> c({.t = 90, .d = 72, .pairs = 18, .interleaved = interleaved});
      stream.submit(c.forward());
      stream.submit(c.backward());
      return bytes_of(c.y, c.dx, c.dq_weight, c.dk_weight);
    });
}

}  // namespace
}  // namespace gigatrain::kernels
