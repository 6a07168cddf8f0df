// Element types. bf16 and f16 are storage: arithmetic happens in f32, conversion rounds to nearest
// even. f16 is IEEE 754 binary16; training in it needs a loss scale (train/loss_scale.h).
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

namespace gigatrain {

enum class DType : std::uint8_t { f32, f64, bf16, i32, i64, u8, f16 };

constexpr std::int64_t size_of(DType dtype) {
  switch (dtype) {
    case DType::f64:
    case DType::i64:
      return 8;
    case DType::f32:
    case DType::i32:
      return 4;
    case DType::bf16:
    case DType::f16:
      return 2;
    case DType::u8:
      return 1;
  }
  return 0;
}

constexpr bool is_floating(DType d) {
  return d == DType::f32 || d == DType::f64 || d == DType::bf16 || d == DType::f16;
}

const char* name(DType dtype);             // "f32", "bf16", ...
DType parse_dtype(std::string_view name);  // throws Error(invalid_argument) naming the valid ones

struct bf16 {
  std::uint16_t bits;  // trivial on purpose: arrays of bf16 are copied as bytes

  bf16() = default;
  explicit bf16(float x) {
    const auto u = std::bit_cast<std::uint32_t>(x);
    const bool nan = (u & 0x7fffffffu) > 0x7f800000u;
    const std::uint32_t rounded = u + 0x7fffu + ((u >> 16) & 1u);  // nearest, ties to even
    bits = static_cast<std::uint16_t>(nan ? (u >> 16) | 0x40u : rounded >> 16);
  }
  explicit operator float() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
};

// x rounded up or down to bf16 with the probabilities that make the expectation x (Gupta et al.,
// arXiv:1502.02551): 16 random bits are added below the last one kept. `word`: a random number.
constexpr bf16 round_stochastic(float x, std::uint32_t word) {
  const auto u = std::bit_cast<std::uint32_t>(x);
  bf16 out{};
  if ((u & 0x7f800000u) == 0x7f800000u)  // infinity stays, NaN stays a NaN
    out.bits = static_cast<std::uint16_t>(u >> 16 | ((u & 0x7fffffu) ? 0x40u : 0u));
  else
    out.bits = static_cast<std::uint16_t>((u + (word & 0xffffu)) >> 16);
  return out;
}

struct f16 {
  std::uint16_t bits;

  f16() = default;
  explicit f16(float x) {
    const auto u = std::bit_cast<std::uint32_t>(x);
    const std::uint32_t sign = (u >> 16) & 0x8000u, a = u & 0x7fffffffu;
    std::uint32_t h = 0;
    if (a > 0x7f800000u)
      h = 0x7e00u;  // NaN
    else if (a >= 0x477ff000u)
      h = 0x7c00u;             // 65520 and more round to infinity
    else if (a < 0x38800000u)  // below 2^-14: adding 1/2 rounds to multiples of 2^-24
      h = std::bit_cast<std::uint32_t>(std::bit_cast<float>(a) + 0.5f) - 0x3f000000u;
    else  // the exponent is rebiased, 13 bits are rounded off
      h = (a - (112u << 23) + 0xfffu + ((a >> 13) & 1u)) >> 13;
    bits = static_cast<std::uint16_t>(sign | h);
  }
  explicit operator float() const {
    const std::uint32_t sign = (bits & 0x8000u) << 16, a = bits & 0x7fffu;
    std::uint32_t u = 0;
    if (a >= 0x7c00u)
      u = 0x7f800000u | (a & 0x3ffu) << 13;
    else if (a < 0x400u)
      u = std::bit_cast<std::uint32_t>(static_cast<float>(a) * 0x1p-24f);
    else
      u = (a << 13) + (112u << 23);
    return std::bit_cast<float>(sign | u);
  }
};

template <class T>
struct dtype_of;
template <>
struct dtype_of<f16> {
  static constexpr DType value = DType::f16;
};
template <>
struct dtype_of<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct dtype_of<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct dtype_of<bf16> {
  static constexpr DType value = DType::bf16;
};
template <>
struct dtype_of<std::int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct dtype_of<std::int64_t> {
  static constexpr DType value = DType::i64;
};
template <>
struct dtype_of<std::uint8_t> {
  static constexpr DType value = DType::u8;
};

}  // namespace gigatrain
