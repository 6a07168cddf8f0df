// Our elementary functions against the C library's in f64, over dense sweeps of f32.
#pragma GCC diagnostic ignored "-Wpsabi"
#define GT_ISA vec_math_test
#include "kernels/cpu/vec_math.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "kernels/cpu/philox16.h"

namespace gigatrain::kernels::vec_math_test {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Distance in units of the last place of the exact result.
double ulps(float got, double want) {
  if (std::isnan(want)) return std::isnan(got) ? 0.0 : 1e30;
  if (std::isinf(want) || std::isinf(got)) return got == static_cast<float>(want) ? 0.0 : 1e30;
  const int exponent = std::max(want == 0.0 ? -149 : std::ilogb(want) - 23, -149);
  return std::abs(static_cast<double>(got) - want) / std::ldexp(1.0, exponent);
}

struct Worst {
  double error = 0.0;
  float at = 0.0f;
};

// `stride` steps through the bit patterns of f32 from `low` to `high` of one sign.
template <class Ours, class Exact>
Worst sweep(float low, float high, std::uint32_t stride, Ours ours, Exact exact) {
  Worst worst;
  const auto last = std::bit_cast<std::uint32_t>(high);
  for (auto bits = std::bit_cast<std::uint32_t>(low); bits < last; bits += kLanes * stride) {
    float x[kLanes], y[kLanes];
    for (int i = 0; i < kLanes; ++i)
      x[i] = std::bit_cast<float>(std::min(bits + static_cast<std::uint32_t>(i) * stride, last));
    ours(x, y);
    for (int i = 0; i < kLanes; ++i) {
      const double error = ulps(y[i], exact(static_cast<double>(x[i])));
      if (error > worst.error) worst = {error, x[i]};
    }
  }
  return worst;
}

#define CHECK_ULPS(limit, ...)              \
  do {                                      \
    const Worst worst = sweep(__VA_ARGS__); \
    CAPTURE(worst.at);                      \
    CHECK(worst.error <= (limit));          \
  } while (0)

const auto our_exp = [](const float* x, float* y) { store(y, exp(load(x))); };
const auto our_log = [](const float* x, float* y) { store(y, log(load(x))); };
const auto our_tanh = [](const float* x, float* y) { store(y, tanh(load(x))); };
const auto our_gelu = [](const float* x, float* y) { store(y, gelu(load(x))); };
const auto our_grad = [](const float* x, float* y) { store(y, gelu_grad(load(x))); };
const auto libm_exp = [](double x) { return std::exp(x); };
const auto libm_log = [](double x) { return std::log(x); };
const auto libm_tanh = [](double x) { return std::tanh(x); };

double exact_gelu(double x) {
  return x / (1.0 + std::exp(-2.0 * std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
}
double exact_gelu_grad(double x) {
  const double c = 2.0 * std::sqrt(2.0 / M_PI), e = std::exp(-c * (x + 0.044715 * x * x * x));
  const double s = 1.0 / (1.0 + e);
  return s + x * s * s * e * c * (1.0 + 3.0 * 0.044715 * x * x);
}

TEST_CASE("exp is within 1.5 ulp", "[unit][kernels]") {
  CHECK_ULPS(1.5, 1e-30f, 88.7228f, 211, our_exp, libm_exp);
  CHECK_ULPS(1.5, -1e-30f, -87.3365f, 211, our_exp, libm_exp);
  CHECK(exp(88.73f) == kInf);
  CHECK(exp(kInf) == kInf);
  CHECK(exp(-kInf) == 0.0f);
  CHECK(exp(-88.0f) == 0.0f);
  CHECK(exp(0.0f) == 1.0f);
  CHECK(std::isnan(exp(kNan)));
}

TEST_CASE("log is within 2 ulp, subnormals included", "[unit][kernels]") {
  CHECK_ULPS(2.0, 0x1p-149f, 3.4e38f, 997, our_log, libm_log);
  CHECK_ULPS(2.0, 0.5f, 2.0f, 7, our_log, libm_log);
  CHECK(log(0.0f) == -kInf);
  CHECK(log(-0.0f) == -kInf);
  CHECK(log(1.0f) == 0.0f);
  CHECK(log(kInf) == kInf);
  CHECK(std::isnan(log(-1.0f)));
  CHECK(std::isnan(log(-kInf)));
  CHECK(std::isnan(log(kNan)));
}

TEST_CASE("tanh is within 2 ulp, small arguments and signs included", "[unit][kernels]") {
  CHECK_ULPS(2.0, 0.0f, 100.0f, 499, our_tanh, libm_tanh);
  CHECK_ULPS(2.0, -0.0f, -100.0f, 499, our_tanh, libm_tanh);
  CHECK_ULPS(2.0, 0.25f, 1.0f, 11, our_tanh, libm_tanh);
  CHECK(std::signbit(tanh(-0.0f)));
  CHECK_FALSE(std::signbit(tanh(0.0f)));
  CHECK(tanh(0x1p-149f) == 0x1p-149f);
  CHECK(tanh(kInf) == 1.0f);
  CHECK(tanh(-kInf) == -1.0f);
  CHECK(std::isnan(tanh(kNan)));
}

// Deep in the tail an ulp of the exponent's argument is many of the result's; what counts is the
// error against the largest value nearby.
TEST_CASE("gelu and its gradient follow their formulas", "[unit][kernels]") {
  CHECK_ULPS(4.0, 1e-30f, 1e30f, 499, our_gelu, exact_gelu);
  CHECK_ULPS(6.0, -1e-30f, -0.5f, 499, our_gelu, exact_gelu);
  CHECK_ULPS(200.0, -0.5f, -9.0f, 499, our_gelu, exact_gelu);
  CHECK_ULPS(4.0, 1e-30f, 9.9f, 499, our_grad, exact_gelu_grad);
  double worst = 0.0;
  for (int i = -120000; i <= 120000; ++i) {
    const float x = static_cast<float>(i) * 1e-4f;
    worst = std::max(worst, std::abs(gelu_grad(x) - exact_gelu_grad(x)));
  }
  CHECK(worst < 3e-7);
}

TEST_CASE("gelu and its gradient at the edges", "[unit][kernels]") {
  CHECK(gelu(0.0f) == 0.0f);
  CHECK(gelu(kInf) == kInf);
  CHECK(gelu(1e30f) == 1e30f);
  CHECK(std::abs(gelu(-kInf)) < 1e-30f);
  CHECK(std::isnan(gelu(kNan)));
  CHECK(gelu_grad(0.0f) == 0.5f);
  CHECK(gelu_grad(kInf) == 1.0f);
  CHECK(std::abs(gelu_grad(-kInf)) < 1e-30f);
  CHECK(gelu_grad(1e30f) == 1.0f);
  CHECK(std::isnan(gelu_grad(kNan)));
}

TEST_CASE("sine and cosine of turns", "[unit][kernels]") {
  double worst = 0.0;
  for (int i = 0; i <= 1 << 16; ++i) {
    const float t = static_cast<float>(i) * 0x1p-16f;
    f32x16 s, c;
    sincos_turns(splat(t), s, c);
    worst = std::max(worst, std::abs(s[3] - std::sin(2.0 * M_PI * t)));
    worst = std::max(worst, std::abs(c[3] - std::cos(2.0 * M_PI * t)));
  }
  CHECK(worst < 1.3e-7);
}

TEST_CASE("splat keeps the sign of zero", "[unit][kernels]") {
  CHECK(std::signbit(splat(-0.0f)[5]));
}

TEST_CASE("sixteen Philox blocks at once equal the definition", "[unit][kernels]") {
  const Words64 zero = philox64({}, 0, 0, 0);
  CHECK(zero.words[0][0] == 0x6627e8d5u);
  CHECK(zero.words[0][1] == 0xe169c58du);
  CHECK(zero.words[0][2] == 0xbc57ac4cu);
  CHECK(zero.words[0][3] == 0x9b00dbd8u);
  const PhiloxKey key{0x12345678u, 0x9abcdef0u};
  bool equal = true;
  for (const std::uint64_t block : {0ull, 7ull, 0xfffffff8ull, 0x1fffffff0ull, 0x2ffffffffffull}) {
    const Words64 ours = philox64(key, block, 3, 99);
    for (std::uint64_t e = 0; e < 64; ++e) {
      const auto want = philox_block(key, 4 * block + e, 3, 99)[e % 4];
      equal = equal && ours.words[e / 16][e % 16] == want;
    }
  }
  CHECK(equal);
}

TEST_CASE("uniform numbers of lanes equal the definition", "[unit][kernels]") {
  const std::uint32_t words[] = {0u, 511u, 512u, 0x7fffffffu, 0x80000000u, 0xffffffffu};
  for (const std::uint32_t word : words)
    CHECK(to_uniform(u32x16{} + word)[9] == gigatrain::to_uniform(word));
}

}  // namespace
}  // namespace gigatrain::kernels::vec_math_test
