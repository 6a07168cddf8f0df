// f16 through the CPU's vector code: the bits of the conversions in dtype.h, in every class.
#include <algorithm>

#include "kernels/elementwise.h"
#include "same_bits.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

constexpr std::int64_t kAll = 0x10000;

Array<f16> every_f16() {
  Array<f16> all({kAll});
  for (std::int64_t i = 0; i < kAll; ++i) all[i].bits = static_cast<std::uint16_t>(i);
  return all;
}

// f32 around every f16: itself, the middle to the next one and what lies next to that, NaN and Inf.
std::vector<float> floats_near_f16() {
  std::vector<float> out{NAN,      -NAN,  INFINITY, -INFINITY, 65519.996f,
                         65520.0f, 1e30f, 1e-30f,   -0.0f};
  out.push_back(std::bit_cast<float>(0x7f812345u));  // a NaN with a payload, signalling
  for (std::uint32_t bits = 0; bits + 1 < 0x7c00u; bits += 7) {
    f16 low, high;
    low.bits = static_cast<std::uint16_t>(bits), high.bits = static_cast<std::uint16_t>(bits + 1);
    const float a = static_cast<float>(low), middle = (a + static_cast<float>(high)) / 2;
    for (const float x : {a, middle, std::nextafter(middle, 0.0f), std::nextafter(middle, 1e9f)})
      out.push_back(x), out.push_back(-x);
  }
  return out;
}

TEST_CASE("f16 is read as dtype.h says, in every class", "[unit][kernels]") {
  auto x = every_f16();
  Array<float> y({kAll});
  check_same_bits([&](Stream& stream) {
    stream.submit(Copy{.x = x.view(), .y = y.view()});
    return bytes_of(y);
  });
  for (std::int64_t i = 0; i < kAll; ++i) {
    const auto want = static_cast<float>(x[i]);
    CAPTURE(i);
    if (std::isnan(want))
      REQUIRE(std::bit_cast<std::uint32_t>(y[i]) ==
              (std::bit_cast<std::uint32_t>(want) | 0x400000u));
    else
      REQUIRE(std::bit_cast<std::uint32_t>(y[i]) == std::bit_cast<std::uint32_t>(want));
  }
}

TEST_CASE("f32 is rounded to f16 as dtype.h says, in every class", "[unit][kernels]") {
  const auto values = floats_near_f16();
  Array<float> x({static_cast<std::int64_t>(values.size())});
  std::copy(values.begin(), values.end(), x.values.begin());
  Array<f16> y(x.shape);
  check_same_bits([&](Stream& stream) {
    stream.submit(Copy{.x = x.view(), .y = y.view()});
    return bytes_of(y);
  });
  for (std::int64_t i = 0; i < x.size(); ++i) {
    CAPTURE(i, x[i]);
    REQUIRE(y[i].bits == f16(x[i]).bits);
  }
}

}  // namespace
}  // namespace gigatrain::kernels
