// bf16 and f16: every value survives the way through f32, and rounding is to nearest, ties to even.
#include "gigatrain/base/dtype.h"

#include <catch2/catch.hpp>
#include <cmath>

namespace gigatrain {
namespace {

TEMPLATE_TEST_CASE("a 16-bit value survives the way through f32", "[unit][base]", bf16, f16) {
  for (std::uint32_t bits = 0; bits < 0x10000u; ++bits) {
    TestType x;
    x.bits = static_cast<std::uint16_t>(bits);
    const auto f = static_cast<float>(x);
    const TestType back(f);
    if (std::isnan(f))
      REQUIRE(std::isnan(static_cast<float>(back)));
    else
      REQUIRE(back.bits == x.bits);
  }
}

// Between neighbours the nearer wins, and in the middle the even one.
TEMPLATE_TEST_CASE("16-bit rounding is to nearest, ties to even", "[unit][base]", bf16, f16) {
  const std::uint32_t infinity = dtype_of<TestType>::value == DType::f16 ? 0x7c00u : 0x7f80u;
  for (std::uint32_t bits = 0; bits + 1 < infinity; ++bits) {
    TestType low, high;
    low.bits = static_cast<std::uint16_t>(bits);
    high.bits = static_cast<std::uint16_t>(bits + 1);
    const double a = static_cast<float>(low), b = static_cast<float>(high);
    const auto middle = static_cast<float>((a + b) / 2);
    if (static_cast<double>(middle) != (a + b) / 2) continue;  // below f32's own resolution
    REQUIRE(TestType(middle).bits == (bits % 2 ? high.bits : low.bits));
    REQUIRE(TestType(std::nextafter(middle, 0.0f)).bits == low.bits);
    REQUIRE(TestType(std::nextafter(middle, INFINITY)).bits == high.bits);
    REQUIRE(TestType(-middle).bits == (TestType(middle).bits | 0x8000u));
  }
}

TEST_CASE("f16 at the ends of its range", "[unit][base]") {
  CHECK(f16(65504.0f).bits == 0x7bffu);
  CHECK(f16(65519.0f).bits == 0x7bffu);
  CHECK(f16(65520.0f).bits == 0x7c00u);
  CHECK(f16(1e30f).bits == 0x7c00u);
  CHECK(f16(0x1p-24f).bits == 1u);
  CHECK(f16(0x1p-25f).bits == 0u);  // a tie, to even
  CHECK(static_cast<float>(f16(-2.5f)) == -2.5f);
}

TEST_CASE("stochastic rounding is unbiased, and keeps what bf16 holds", "[unit][base]") {
  const float x = 1.0f + 0x1p-8f * 0.25f * 2.0f;  // a quarter of the way to the next bf16
  double sum = 0;
  for (std::uint32_t word = 0; word < 0x10000u; ++word)
    sum += static_cast<double>(static_cast<float>(round_stochastic(x, word * 0x10001u)));
  CHECK(sum / 0x10000 == Approx(static_cast<double>(x)).epsilon(1e-9));
  CHECK(round_stochastic(-2.5f, 0xffffu).bits == bf16(-2.5f).bits);
  CHECK(round_stochastic(INFINITY, 0xffffu).bits == bf16(INFINITY).bits);
  CHECK(std::isnan(static_cast<float>(round_stochastic(NAN, 0xffffu))));
}

}  // namespace
}  // namespace gigatrain
