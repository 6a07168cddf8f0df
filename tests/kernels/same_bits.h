// Helpers of the kernel tests: arrays with a view, seeded values, and the promise that a kernel
// gives the same bytes for every thread count and every class of vector code.
#pragma once

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <functional>
#include <random>
#include <vector>

#include "gigatrain/base/tensor_view.h"
#include "gigatrain/runtime/device.h"

namespace gigatrain::kernels::testing {

template <class T>
struct Array {
  std::vector<T> values;
  Shape shape;

  Array(const Shape& s, T fill = T{})
      : values(static_cast<std::size_t>(s.numel()), fill), shape(s) {}
  TensorView view() { return TensorView(values.data(), dtype_of<T>::value, shape); }
  T& operator[](std::int64_t i) { return values[static_cast<std::size_t>(i)]; }
  double at(std::int64_t i) const {
    if constexpr (sizeof(T) == 2)
      return static_cast<float>(values[static_cast<std::size_t>(i)]);
    else
      return static_cast<double>(values[static_cast<std::size_t>(i)]);
  }
  std::int64_t size() const { return static_cast<std::int64_t>(values.size()); }
};

template <class T>
Array<T> random_array(const Shape& shape, unsigned seed, float low = -2.0f, float high = 2.0f) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> draw(low, high);
  Array<T> a(shape);
  for (T& v : a.values) v = T(draw(generator));
  return a;
}

inline Array<std::int32_t> random_tokens(const Shape& shape, unsigned seed, std::int32_t end) {
  std::mt19937 generator(seed);
  Array<std::int32_t> a(shape);
  for (std::int32_t& v : a.values)
    v = static_cast<std::int32_t>(generator() % static_cast<unsigned>(end));
  return a;
}

// Relative error of one rounding to T, for comparisons with a reference in f64.
template <class T>
constexpr double kRounding = sizeof(T) == 2   ? 0x1p-8
                             : sizeof(T) == 4 ? 0x1p-23
                                              : 0x1p-52;

// || got - want || / || want ||
template <class T>
double relative_error(const Array<T>& got, const std::vector<double>& want) {
  double difference = 0.0, norm = 0.0;
  for (std::int64_t i = 0; i < got.size(); ++i) {
    const double w = want[static_cast<std::size_t>(i)], d = got.at(i) - w;
    difference += d * d;
    norm += w * w;
  }
  return norm > 0.0 ? std::sqrt(difference / norm) : std::sqrt(difference);
}

using Bytes = std::vector<std::byte>;

template <class T>
void append(Bytes& bytes, const Array<T>& a) {
  const auto* p = reinterpret_cast<const std::byte*>(a.values.data());
  bytes.insert(bytes.end(), p, p + a.values.size() * sizeof(T));
}

template <class... T>
Bytes bytes_of(const Array<T>&... arrays) {
  Bytes bytes;
  (append(bytes, arrays), ...);
  return bytes;
}

// `results` runs a kernel on the device's stream and returns the bytes of all its outputs.
inline void check_same_bits(const std::function<Bytes(Stream&)>& results) {
  Device reference({.threads = 1, .isa = Isa::base, .bf16 = Bf16Products::widened});
  const Bytes want = results(reference.stream());
  for (const Isa isa : {Isa::base, Isa::avx2, Isa::avx512}) {
    if (isa > CpuFeatures::get().best) continue;
    for (const int threads : {1, 2, 3}) {
      Device device({.threads = threads, .isa = isa, .bf16 = Bf16Products::widened});
      CAPTURE(name(isa), threads);
      CHECK((results(device.stream()) == want));
    }
  }
}

// The same, for the processor's own bf16: each of its ways has bits of its own, on any thread
// count.
inline void check_same_bits_of_bf16(const std::function<Bytes(Stream&)>& results) {
  for (const auto products : {Bf16Products::avx512_bf16, Bf16Products::amx}) {
    if (products > CpuFeatures::get().bf16) continue;
    Device reference({.threads = 1, .bf16 = products});
    const Bytes want = results(reference.stream());
    for (const int threads : {2, 3}) {
      Device device({.threads = threads, .bf16 = products});
      CAPTURE(name(products), threads);
      CHECK((results(device.stream()) == want));
    }
  }
}

}  // namespace gigatrain::kernels::testing
