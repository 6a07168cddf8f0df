// The GPU's comparisons, masks, maxima of two and integer copies on the host SIMT machine, beside
// the CPU's.

#include "kernels/elementwise.h"
#include "simt/compare.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

template <class T>
Array<T> few_values(const Shape& shape, unsigned seed) {  // so that some are equal
  Array<T> a(shape);
  const auto drawn = random_tokens(shape, seed, 4);
  for (std::size_t i = 0; i < a.values.size(); ++i)
    a.values[i] = T(static_cast<float>(drawn.values[i]) - 1.5f);
  return a;
}

template <class T>
TensorView repeated_row(Array<T>& a, const Shape& shape) {
  TensorView v = a.view();
  v.shape = shape;
  v.strides = {0, 1};
  return v;
}

template <class Args, class Out, class T>
Values binary_of(Stream& stream, const TensorView& a, const TensorView& b) {
  Array<Out> y(a.shape);
  stream.submit(Args{.a = a, .b = b, .y = y.view()});
  return values_of(y);
}

TEMPLATE_TEST_CASE("simt: comparisons and larger of two", "[simt]", float, bf16, double) {
  using T = TestType;
  for (const std::int64_t columns : {1, 7, 64}) {
    CAPTURE(columns);
    const Shape shape{21, columns};
    auto a = few_values<T>(shape, 1), b = few_values<T>({columns}, 2);
    a[5] = T(NAN);
    const TensorView row = repeated_row(b, shape);
    compare_with_cpu(
        [&](Stream& stream) {
          return Outputs{binary_of<Equal, std::uint8_t, T>(stream, a.view(), row),
                         binary_of<Less, std::uint8_t, T>(stream, a.view(), row),
                         binary_of<Less, std::uint8_t, T>(stream, row, a.view()),
                         binary_of<MaximumShare, T, T>(stream, a.view(), row)};
        },
        0.0);
    a[5] = T(1.0f);
    compare_with_cpu(
        [&](Stream& stream) {
          return Outputs{binary_of<Maximum, T, T>(stream, a.view(), row),
                         binary_of<Minimum, T, T>(stream, a.view(), row)};
        },
        0.0);
  }
}

TEST_CASE("simt: the larger of two is NaN if either is", "[simt]") {
  Array<float> a({3}), b({3}), y({3});
  a.values = {NAN, 1.0f, 1.0f};
  b.values = {1.0f, NAN, 2.0f};
  Device cpu({.threads = 1});
  const auto device = simt_device();
  for (Device* d : {&cpu, device.get()}) {
    d->stream().submit(Maximum{.a = a.view(), .b = b.view(), .y = y.view()});
    CHECK((std::isnan(y[0]) && std::isnan(y[1]) && y[2] == 2.0f));
    d->stream().submit(Minimum{.a = a.view(), .b = b.view(), .y = y.view()});
    CHECK((std::isnan(y[0]) && std::isnan(y[1]) && y[2] == 1.0f));
  }
}

TEST_CASE("simt: comparisons of integers", "[simt]") {
  auto a = random_tokens({33, 8}, 1, 4), b = random_tokens({8}, 2, 4);
  const TensorView row = repeated_row(b, a.shape);
  compare_with_cpu(
      [&](Stream& stream) {
        return Outputs{binary_of<Equal, std::uint8_t, std::int32_t>(stream, a.view(), row),
                       binary_of<Less, std::uint8_t, std::int32_t>(stream, a.view(), row)};
      },
      0.0);
}

TEMPLATE_TEST_CASE("simt: choice by a mask", "[simt]", float, bf16, double) {
  using T = TestType;
  for (const std::int64_t columns : {1, 5, 48}) {
    CAPTURE(columns);
    const Shape shape{19, columns};
    auto a = random_array<T>(shape, 1), b = random_array<T>({columns}, 2);
    Array<std::uint8_t> mask(shape), row_mask({columns});
    for (std::int64_t i = 0; i < mask.size(); ++i) mask[i] = i % 3 == 0 ? 200 : 0;
    for (std::int64_t i = 0; i < columns; ++i) row_mask[i] = i % 2 == 0;
    compare_with_cpu(
        [&](Stream& stream) {
          Array<T> y(shape), z(shape);
          stream.submit(Where{
              .mask = mask.view(), .a = a.view(), .b = repeated_row(b, shape), .y = y.view()});
          stream.submit(Where{.mask = repeated_row(row_mask, shape),
                              .a = repeated_row(b, shape),
                              .b = a.view(),
                              .y = z.view()});
          return Outputs{values_of(y), values_of(z)};
        },
        0.0);
  }
}

TEMPLATE_TEST_CASE("simt: integers are copied as they are", "[simt]", std::uint8_t, std::int32_t,
                   std::int64_t) {
  Array<TestType> x({24, 16});
  for (std::int64_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<TestType>(std::numeric_limits<TestType>::max() - 7 * i);
  TensorView turned = x.view();
  turned.shape = {16, 24};
  turned.strides = {1, 16};
  Device cpu({.threads = 1});
  const auto device = simt_device();
  for (Device* d : {&cpu, device.get()}) {
    Array<TestType> y({16, 24}), z({24, 16});
    d->stream().submit(Copy{.x = turned, .y = y.view()});
    d->stream().submit(Copy{.x = x.view(), .y = z.view()});
    CHECK(z.values == x.values);
    bool right = true;
    for (std::int64_t i = 0; i < y.size(); ++i) right = right && y[i] == x[i % 24 * 16 + i / 24];
    CHECK(right);
    d->stream().submit(Fill{.y = y.view(), .value = 200.0});
    CHECK(y.values == decltype(y.values)(y.values.size(), TestType(200)));
  }
}

TEST_CASE("simt: comparisons and masks refuse dtypes they have no version for", "[simt]") {
  Array<std::int64_t> x({4});
  Array<std::uint8_t> y({4});
  Device cpu({.threads = 1});
  const auto device = simt_device();
  for (Device* d : {&cpu, device.get()}) {
    CHECK_THROWS_WITH(d->stream().submit(Less{.a = x.view(), .b = x.view(), .y = y.view()}),
                      Catch::Contains("less") && Catch::Contains("i64"));
    CHECK_THROWS_WITH(
        d->stream().submit(Where{.mask = y.view(), .a = x.view(), .b = x.view(), .y = x.view()}),
        Catch::Contains("where") && Catch::Contains("i64"));
  }
}

}  // namespace
}  // namespace gigatrain::kernels
