// Elementwise kernels, contiguous, strided and broadcast, against f64.
#include "kernels/elementwise.h"

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

}  // namespace
}  // namespace gigatrain::kernels
