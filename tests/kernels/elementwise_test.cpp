// Elementwise kernels, contiguous, strided and broadcast, against f64.
#include "kernels/elementwise.h"

#include <algorithm>

#include "kernels/same_bits.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

template <class T>
constexpr double kTolerance = 1.5 * kRounding<T>;

template <class T, class Args>
void check_binary(double (*exact)(double, double)) {
  for (const std::int64_t n : {1, 33, 40000}) {
    auto a = random_array<T>({n}, 1, 1, 3), b = random_array<T>({n}, 2, 1, 3);
    Array<T> y({n});
    Device device;
    device.stream().submit(Args{.a = a.view(), .b = b.view(), .y = y.view()});
    std::vector<double> want;
    for (std::int64_t i = 0; i < n; ++i) want.push_back(exact(a.at(i), b.at(i)));
    CHECK(relative_error(y, want) < kTolerance<T>);
  }
}

template <class T, class Args>
void check_unary(double (*exact)(double)) {
  for (const std::int64_t n : {1, 33, 40000}) {
    auto x = random_array<T>({n}, 1, 0.1f, 3);
    Array<T> y({n});
    Device device;
    device.stream().submit(Args{.x = x.view(), .y = y.view()});
    std::vector<double> want;
    for (std::int64_t i = 0; i < n; ++i) want.push_back(exact(x.at(i)));
    CHECK(relative_error(y, want) < kTolerance<T>);
  }
}

TEMPLATE_TEST_CASE("elementwise kernels compute", "[unit][kernels]", float, bf16, double) {
  using T = TestType;
  check_binary<T, Add>([](double a, double b) { return a + b; });
  check_binary<T, Sub>([](double a, double b) { return a - b; });
  check_binary<T, Mul>([](double a, double b) { return a * b; });
  check_binary<T, Div>([](double a, double b) { return a / b; });
  check_unary<T, Exp>([](double x) { return std::exp(x); });
  check_unary<T, Log>([](double x) { return std::log(x); });
  check_unary<T, Tanh>([](double x) { return std::tanh(x); });
  check_unary<T, Rsqrt>([](double x) { return 1.0 / std::sqrt(x); });
  check_unary<T, Sqrt>([](double x) { return std::sqrt(x); });
  check_unary<T, Sigmoid>([](double x) { return 1.0 / (1.0 + std::exp(-x)); });
  check_unary<T, Silu>([](double x) { return x / (1.0 + std::exp(-x)); });
  check_unary<T, Relu>([](double x) { return x; });
  check_unary<T, Abs>([](double x) { return x; });
  check_binary<T, Maximum>([](double a, double b) { return a > b ? a : b; });
  check_binary<T, Minimum>([](double a, double b) { return a < b ? a : b; });
  check_binary<T, TanhBackward>([](double a, double b) { return a * (1 - b * b); });
  check_binary<T, SqrtBackward>([](double a, double b) { return a / (2 * b); });
  check_binary<T, RsqrtBackward>([](double a, double b) { return -a * b * b * b / 2; });
  check_binary<T, SigmoidBackward>([](double a, double b) { return a * b * (1 - b); });
  check_binary<T, SiluBackward>([](double a, double b) {
    const double s = 1 / (1 + std::exp(-b));
    return a * s * (1 + b * (1 - s));
  });
}

TEMPLATE_TEST_CASE("scale and fill", "[unit][kernels]", float, bf16, double) {
  auto x = random_array<TestType>({5, 7}, 1);
  Array<TestType> y({5, 7});
  Device device;
  device.stream().submit(Scale{.x = x.view(), .y = y.view(), .factor = -0.5});
  bool equal = true;
  for (std::int64_t i = 0; i < x.size(); ++i) equal = equal && y.at(i) == -0.5 * x.at(i);
  CHECK(equal);
  TensorView row = y.view();
  row.shape = {7};
  row.strides = {1};
  device.stream().submit(Fill{.y = row, .value = 3.0});
  CHECK(y.at(6) == 3.0);
  CHECK(y.at(7) == -0.5 * x.at(7));
}

// a transposed, b a row repeated, y contiguous; then y with gaps.
TEMPLATE_TEST_CASE("strides and broadcasting", "[unit][kernels]", float, bf16, double) {
  const std::int64_t rows = 37, columns = 21;
  auto a = random_array<TestType>({columns, rows}, 1), b = random_array<TestType>({columns}, 2);
  Array<TestType> y({rows, columns}), gaps({rows, columns, 2});
  TensorView turned = a.view(), repeated = y.view(), wide = gaps.view();
  turned.shape = {rows, columns};
  turned.strides = {1, rows};
  repeated.data = b.values.data();
  repeated.strides = {0, 1};
  wide.shape = {rows, columns};
  wide.strides = {2 * columns, 2};
  Device device;
  device.stream().submit(Mul{.a = turned, .b = repeated, .y = y.view()});
  device.stream().submit(Mul{.a = turned, .b = repeated, .y = wide});
  std::vector<double> want, spread;
  for (std::int64_t i = 0; i < y.size(); ++i) {
    want.push_back(a.at(i % columns * rows + i / columns) * b.at(i % columns));
    spread.push_back(y.at(i));
    spread.push_back(0.0);
  }
  CHECK(relative_error(y, want) < kTolerance<TestType>);
  CHECK(relative_error(gaps, spread) == 0.0);
}

TEMPLATE_TEST_CASE("an empty tensor is fine", "[unit][kernels]", float, double) {
  Array<TestType> x({0, 4});
  Device device;
  device.stream().submit(Add{.a = x.view(), .b = x.view(), .y = x.view()});
  device.stream().submit(Copy{.x = x.view(), .y = x.view()});
  CHECK(x.size() == 0);
}

template <class From, class To>
void check_copy() {
  auto x = random_array<From>({13, 29}, 1);
  Array<To> y({29, 13}), flat({13, 29});
  TensorView turned = y.view();
  turned.shape = {13, 29};
  turned.strides = {1, 13};
  Device device;
  device.stream().submit(Copy{.x = x.view(), .y = turned});
  device.stream().submit(Copy{.x = x.view(), .y = flat.view()});
  bool equal = true;
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const double want =
        sizeof(To) == 2 ? static_cast<double>(static_cast<float>(bf16(static_cast<float>(x.at(i)))))
        : sizeof(To) == 4 ? static_cast<double>(static_cast<float>(x.at(i)))
                          : x.at(i);
    equal = equal && y.at(i % 29 * 13 + i / 29) == want && flat.at(i) == want;
  }
  CHECK(equal);
}

TEMPLATE_TEST_CASE("copy converts and transposes", "[unit][kernels]", float, bf16, double) {
  check_copy<TestType, float>();
  check_copy<TestType, bf16>();
  check_copy<TestType, double>();
}

TEST_CASE("kernels refuse dtypes they have no version for", "[unit][kernels]") {
  Array<std::int32_t> x({4});
  Device device;
  CHECK_THROWS_WITH(device.stream().submit(Exp{.x = x.view(), .y = x.view()}),
                    Catch::Contains("exp") && Catch::Contains("i32"));
}

TEMPLATE_TEST_CASE("elementwise kernels give the same bits", "[unit][kernels]", float, bf16) {
  check_same_bits([](Stream& stream) {
    auto a = random_array<TestType>({123, 217}, 1, -90, 90);
    auto b = random_array<TestType>({123, 217}, 2, 1e-3f, 50);
    Array<TestType> e(a.shape), l(a.shape), t(a.shape), r(a.shape), d(a.shape), c(a.shape);
    stream.submit(Exp{.x = a.view(), .y = e.view()});
    stream.submit(Log{.x = b.view(), .y = l.view()});
    stream.submit(Tanh{.x = a.view(), .y = t.view()});
    stream.submit(Rsqrt{.x = b.view(), .y = r.view()});
    stream.submit(Div{.a = a.view(), .b = b.view(), .y = d.view()});
    TensorView turned = c.view();
    turned.shape = {217, 123};
    turned.strides = {1, 217};
    TensorView x = a.view();
    x.shape = {217, 123};
    x.strides = {123, 1};
    stream.submit(Tanh{.x = x, .y = turned});
    return bytes_of(e, l, t, r, d, c);
  });
}

// Relative errors over x of any size, beside what kernels/elementwise.h says.
TEST_CASE("powers are accurate", "[unit][kernels]") {
  for (const double exponent : {2.0, 13.0, -4.0, 0.5, 1.0 / 3.0, -2.75}) {
    auto x = random_array<float>({4000}, 1, -20.0f, 20.0f);
    for (float& v : x.values) v = std::exp2(v / 4);
    Array<float> y(x.shape);
    Device device;
    device.stream().submit(Pow{.x = x.view(), .y = y.view(), .exponent = exponent});
    const bool whole = exponent == std::round(exponent);
    double worst = 0.0;
    for (std::int64_t i = 0; i < x.size(); ++i) {
      const double want = std::pow(x.at(i), exponent);
      const double said = whole ? std::fabs(exponent) * 0x1p-24
                                : (1 + std::fabs(exponent * std::log(x.at(i)))) * 0x1p-23;
      worst = std::max(worst, std::fabs(y.at(i) - want) / want / said);
    }
    CAPTURE(exponent, worst);
    CHECK(worst < (whole ? 1.0 : 1.5));
  }
}

TEMPLATE_TEST_CASE("functions, comparisons and masks give the same bits", "[unit][kernels]", float,
                   bf16) {
  using T = TestType;
  check_same_bits([](Stream& stream) {
    auto a = random_array<T>({123, 217}, 1, -90, 90), b = random_array<T>({123, 217}, 2, 0.1f, 5);
    a.values[7] = T(NAN);
    Bytes bytes;
    const auto one = [&](auto args, Array<T>& x) {
      Array<T> y(x.shape);
      args.x = x.view(), args.y = y.view();
      stream.submit(args);
      append(bytes, y);
    };
    const auto two = [&](auto args) {
      Array<T> y(a.shape);
      args.a = b.view(), args.b = a.view(), args.y = y.view();
      stream.submit(args);
      append(bytes, y);
    };
    one(Sqrt{}, b), one(Sigmoid{}, a), one(Silu{}, a), one(Relu{}, a), one(Abs{}, a);
    Pow cube, root;
    cube.exponent = 3.0, root.exponent = -0.7;
    one(cube, a), one(root, b);
    two(Maximum{}), two(Minimum{}), two(MaximumShare{}), two(TanhBackward{}), two(SqrtBackward{});
    two(RsqrtBackward{}), two(SigmoidBackward{}), two(SiluBackward{}), two(ReluBackward{});
    two(AbsBackward{});
    Array<std::uint8_t> mask(a.shape);
    Array<T> y(a.shape);
    stream.submit(Less{.a = a.view(), .b = b.view(), .y = mask.view()});
    append(bytes, mask);
    stream.submit(Where{.mask = mask.view(), .a = a.view(), .b = b.view(), .y = y.view()});
    append(bytes, y);
    return bytes;
  });
}

}  // namespace
}  // namespace gigatrain::kernels
