// The GPU's elementwise kernels on the host SIMT machine, beside the CPU's.
#include "kernels/elementwise.h"

#include "simt/compare.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

template <class T>
TensorView strided(Array<T>& a, const Shape& shape, const Strides& strides,
                   std::int64_t first = 0) {
  TensorView v = a.view();
  v.data = a.values.data() + first;
  v.shape = shape;
  v.strides = strides;
  return v;
}

template <class T>
void check_binary(const TensorView& a, const TensorView& b) {
  compare_with_cpu(
      [&](Stream& stream) {
        Array<T> sum(a.shape), difference(a.shape), product(a.shape), quotient(a.shape);
        stream.submit(Add{.a = a, .b = b, .y = sum.view()});
        stream.submit(Sub{.a = a, .b = b, .y = difference.view()});
        stream.submit(Mul{.a = a, .b = b, .y = product.view()});
        stream.submit(Div{.a = a, .b = b, .y = quotient.view()});
        return Outputs{values_of(sum), values_of(difference), values_of(product),
                       values_of(quotient)};
      },
      0.0);  // each is rounded once, on the GPU as on the CPU
}

TEMPLATE_TEST_CASE("simt: two inputs, contiguous", "[simt]", float, bf16, double) {
  for (const std::int64_t n : {0, 1, 7, 8, 255, 1024, 5003, 6000}) {
    CAPTURE(n);
    auto a = random_array<TestType>({n}, 1), b = random_array<TestType>({n}, 2, 0.5f, 2.0f);
    check_binary<TestType>(a.view(), b.view());
  }
}

// A row repeated, a column repeated, one number repeated, a turned matrix, a slice that packs do
// not fit, and more dims than merge.
TEMPLATE_TEST_CASE("simt: two inputs, broadcast and strided", "[simt]", float, bf16, double) {
  for (const std::int64_t columns : {64, 37, 1}) {
    CAPTURE(columns);
    const std::int64_t rows = 29;
    auto a = random_array<TestType>({rows, columns}, 1);
    auto b = random_array<TestType>({columns * rows}, 2, 0.5f, 2.0f);
    const Shape shape{rows, columns};
    check_binary<TestType>(a.view(), strided(b, shape, {0, 1}));
    check_binary<TestType>(a.view(), strided(b, shape, {1, 0}));
    check_binary<TestType>(a.view(), strided(b, shape, {0, 0}));
    check_binary<TestType>(a.view(), strided(b, shape, {1, rows}));
  }
  auto a = random_array<TestType>({2000}, 1), b = random_array<TestType>({2000}, 2, 0.5f, 2.0f);
  check_binary<TestType>(strided(a, {9, 40}, {80, 1}, 3), strided(b, {9, 40}, {48, 1}, 8));
  const Shape deep{3, 2, 5, 2, 3, 4};
  check_binary<TestType>(strided(a, deep, {4, 500, 12, 240, 60, 1}),
                         strided(b, deep, {0, 600, 7, 100, 1, 0}));
}

TEMPLATE_TEST_CASE("simt: y may be an input, and may have gaps", "[simt]", float, bf16, double) {
  for (const std::int64_t columns : {32, 5}) {
    auto a = random_array<TestType>({40 * columns}, 1), b = random_array<TestType>({columns}, 2);
    compare_with_cpu(
        [&](Stream& stream) {
          Array<TestType> y = a;
          const TensorView gaps = strided(y, {20, columns}, {2 * columns, 1});
          stream.submit(Add{.a = gaps, .b = strided(b, {20, columns}, {0, 1}), .y = gaps});
          const TensorView spread = strided(y, {20, columns}, {2 * columns, 2}, 1);
          stream.submit(Scale{.x = spread, .y = spread, .factor = 3.0});
          return Outputs{values_of(y)};
        },
        0.0);
  }
}

TEST_CASE("simt: elementwise kernels refuse dtypes they have no version for", "[simt]") {
  Array<std::int32_t> x({4});
  const auto device = simt_device();
  CHECK_THROWS_WITH(device->stream().submit(Exp{.x = x.view(), .y = x.view()}),
                    Catch::Contains("exp") && Catch::Contains("i32"));
}

}  // namespace
}  // namespace gigatrain::kernels
