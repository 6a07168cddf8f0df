// Dropout against its definition in base/dropout_args.h.
#include "kernels/dropout.h"

#include "kernels/same_bits.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

constexpr DropoutArgs kArgs{
    .rate = 0.25f, .key = {11, 12}, .step = 13, .first_sample = 14, .rows_per_sample = 3};

bool kept(std::int64_t row, std::int64_t c, std::int64_t columns) {
  const auto element = static_cast<std::uint64_t>((row % kArgs.rows_per_sample) * columns + c);
  const auto sample = kArgs.first_sample + static_cast<std::uint32_t>(row / kArgs.rows_per_sample);
  return to_uniform(philox_block(kArgs.key, element, sample, kArgs.step)[element % 4]) >=
         kArgs.rate;
}

TEMPLATE_TEST_CASE("dropout keeps, scales and adds", "[unit][kernels]", float, bf16) {
  for (const std::int64_t n : {1, 7, 64, 101, 9001}) {
    CAPTURE(n);
    const Shape shape{11, n};  // the last sample has two of its three rows
    auto x = random_array<TestType>(shape, 1), residual = random_array<TestType>(shape, 2);
    Array<TestType> y(shape), sum(shape);
    Device device;
    device.stream().submit(Dropout{.x = x.view(), .y = y.view(), .dropout = kArgs});
    device.stream().submit(
        Dropout{.x = x.view(), .y = sum.view(), .residual = residual.view(), .dropout = kArgs});
    std::vector<double> want, want_sum;
    bool zeros = true;
    for (std::int64_t i = 0; i < x.size(); ++i) {
      const bool keep = kept(i / n, i % n, n);
      want.push_back(keep ? x.at(i) / 0.75 : 0.0);
      want_sum.push_back(want.back() + residual.at(i));
      zeros = zeros && (y.at(i) == 0.0) == (!keep || x.at(i) == 0.0);
    }
    CHECK(zeros);
    CHECK(relative_error(y, want) < kRounding<TestType>);
    CHECK(relative_error(sum, want_sum) < kRounding<TestType>);
    device.stream().submit(Dropout{.x = x.view(), .y = x.view(), .dropout = kArgs});
    CHECK((bytes_of(x) == bytes_of(y)));
  }
}

TEST_CASE("dropout keeps an element whose number is the rate itself", "[unit][kernels]") {
  const std::int64_t n = 64, rows = kArgs.rows_per_sample;
  Array<float> x({rows, n}, 1.0f), y(x.shape);
  Device device;
  for (const std::int64_t i : {0, 1, 63, 100, 191}) {
    const auto element = static_cast<std::uint64_t>(i);
    const float u =
        to_uniform(philox_block(kArgs.key, element, kArgs.first_sample, kArgs.step)[element % 4]);
    DropoutArgs args = kArgs;
    for (const float rate : {u, std::nextafter(u, 0.0f), std::nextafter(u, 1.0f)}) {
      args.rate = rate;
      device.stream().submit(Dropout{.x = x.view(), .y = y.view(), .dropout = args});
      CAPTURE(i, rate);
      CHECK((y[i] != 0.0f) == (rate <= u));
    }
  }
}

TEST_CASE("dropout drops its rate and never lets an infinity through", "[unit][kernels]") {
  const std::int64_t n = 100000;
  Array<float> x({3, n}, INFINITY), y({3, n});
  Device device;
  device.stream().submit(Dropout{.x = x.view(), .y = y.view(), .dropout = kArgs});
  const auto dropped = std::count(y.values.begin(), y.values.end(), 0.0f);
  CHECK(static_cast<double>(dropped) / (3.0 * n) == Approx(0.25).margin(0.005));
  CHECK(std::count(y.values.begin(), y.values.end(), INFINITY) == 3 * n - dropped);
}

TEMPLATE_TEST_CASE("dropout gives the same bits everywhere", "[unit][kernels]", float, bf16) {
  check_same_bits([](Stream& stream) {
    auto x = random_array<TestType>({20, 8013}, 1), residual = random_array<TestType>(x.shape, 2);
    Array<TestType> y(x.shape);
    stream.submit(
        Dropout{.x = x.view(), .y = y.view(), .residual = residual.view(), .dropout = kArgs});
    return bytes_of(y);
  });
}

// A batch cut in two by samples draws the same masks as the whole.
TEST_CASE("dropout masks do not depend on how the batch is cut", "[unit][kernels]") {
  auto x = random_array<float>({12, 35}, 1);
  Array<float> whole(x.shape), parts(x.shape);
  Device device;
  device.stream().submit(Dropout{.x = x.view(), .y = whole.view(), .dropout = kArgs});
  for (const std::int64_t half : {0, 1}) {
    DropoutArgs args = kArgs;
    args.first_sample += static_cast<std::uint32_t>(2 * half);
    const std::int64_t at = half * 6 * 35;
    device.stream().submit(Dropout{.x = TensorView(&x[at], DType::f32, {6, 35}),
                                   .y = TensorView(&parts[at], DType::f32, {6, 35}),
                                   .dropout = args});
  }
  CHECK(whole.values == parts.values);
}

}  // namespace
}  // namespace gigatrain::kernels
