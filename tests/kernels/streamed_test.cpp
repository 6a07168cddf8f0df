// Outputs so large that they are written past the caches: the same values as always, in every
// class.
#include "kernels/streamed.h"

#include <algorithm>

#include "kernels/elementwise.h"
#include "kernels/embedding.h"
#include "kernels/same_bits.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

// Of a view that begins `skipped` elements into its memory, and ends in a part of a vector.
template <class From, class To>
void check_copy(std::int64_t skipped) {
  const std::int64_t n = kStreamedBytes / static_cast<std::int64_t>(sizeof(To)) + 5;
  CAPTURE(name(dtype_of<From>::value), name(dtype_of<To>::value), skipped);
  Array<From> x({n + skipped});
  for (std::int64_t i = 0; i < x.size(); ++i) x[i] = From(static_cast<float>(i % 9973));
  Array<To> y(x.shape, To(-1.0f));
  REQUIRE(is_streamed(n * static_cast<std::int64_t>(sizeof(To))));
  for (const Isa isa : {Isa::base, Isa::avx2, Isa::avx512}) {
    if (isa > CpuFeatures::get().best) continue;
    Device device({.threads = 2, .isa = isa});
    std::fill(y.values.begin(), y.values.end(), To(-1.0f));
    device.stream().submit(Copy{.x = TensorView(&x[skipped], dtype_of<From>::value, {n}),
                                .y = TensorView(&y[skipped], dtype_of<To>::value, {n})});
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < y.size(); ++i)
      wrong += static_cast<float>(y[i]) !=
               (i < skipped ? -1.0f : static_cast<float>(To(static_cast<float>(x[i]))));
    CHECK(wrong == 0);
  }
}

TEST_CASE("large copies", "[unit][kernels]") {
  for (const std::int64_t skipped : {0, 3}) {
    check_copy<float, float>(skipped);
    check_copy<float, bf16>(skipped);
    check_copy<bf16, bf16>(skipped);
  }
}

template <class T>
void check_fill(std::int64_t n) {
  CAPTURE(name(dtype_of<T>::value), n);
  Array<T> y({n + 2}, T(1));
  for (const Isa isa : {Isa::base, Isa::avx2, Isa::avx512}) {
    if (isa > CpuFeatures::get().best) continue;
    Device device({.threads = 2, .isa = isa});
    std::fill(y.values.begin(), y.values.end(), T(1));
    device.stream().submit(Fill{.y = TensorView(&y[1], dtype_of<T>::value, {n}), .value = 3.0});
    CHECK(std::count(y.values.begin() + 1, y.values.end() - 1, T(3)) == n);
    CHECK(y[0] == T(1));
    CHECK(y[n + 1] == T(1));
  }
}

TEST_CASE("fill writes what it should and nothing beside it", "[unit][kernels]") {
  for (const std::int64_t n : {std::int64_t{1}, std::int64_t{131}, kStreamedBytes / 4 + 5}) {
    check_fill<float>(n);
    check_fill<std::uint8_t>(n);
    check_fill<double>(n);
  }
}

TEST_CASE("the gradient of a large table is zero where no token was", "[unit][kernels]") {
  for (const std::int64_t columns : {1024, 1030}) {  // with and without whole vectors
    const std::int64_t rows = kStreamedBytes / 4 / columns + 1, places = 64;
    auto tokens = random_tokens({1, places}, 1, static_cast<std::int32_t>(rows));
    Array<float> dout({1, places, columns}, 0.5f);
    Array<float> dtable({rows, columns}, NAN);
    std::vector<int> uses(static_cast<std::size_t>(rows));
    for (const std::int32_t token : tokens.values) ++uses[static_cast<std::size_t>(token)];
    Device device({.threads = 2});
    device.stream().submit(
        EmbeddingBackward{.tokens = tokens.view(), .dout = dout.view(), .dtable = dtable.view()});
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < dtable.size(); ++i)
      wrong += dtable[i] != 0.5f * static_cast<float>(uses[static_cast<std::size_t>(i / columns)]);
    CHECK(wrong == 0);
  }
}

}  // namespace
}  // namespace gigatrain::kernels
