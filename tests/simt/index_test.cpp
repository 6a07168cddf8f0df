// The GPU's gather, its gradient and top-k on the host SIMT machine, beside the CPU's.
#include "kernels/index.h"

#include <algorithm>
#include <numeric>

#include "simt/compare.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

TEMPLATE_TEST_CASE("simt: gather and its gradient", "[simt]", float, bf16, double) {
  using T = TestType;
  using Sum = std::conditional_t<std::is_same_v<T, double>, double, float>;
  const struct {
    std::int64_t outer, n, picks, inner;
  } shapes[] = {{1, 7, 300, 1}, {2, 300, 5, 1}, {3, 5, 140, 6}, {2, 9, 0, 3}, {4, 150, 1, 2}};
  for (const auto& s : shapes)
    for (const bool accumulate : {false, true}) {
      CAPTURE(s.outer, s.n, s.picks, s.inner, accumulate);
      auto x = random_array<T>({s.outer, s.n, s.inner}, 1);
      auto dy = random_array<T>({s.outer, s.picks, s.inner}, 2);
      auto index = random_tokens(dy.shape, 3, static_cast<std::int32_t>(s.n));
      compare_with_cpu(
          [&](Stream& stream) {
            Array<T> y(dy.shape);
            Array<Sum> dx(x.shape, Sum(0.25));
            stream.submit(Gather{.x = x.view(), .index = index.view(), .y = y.view()});
            stream.submit(ScatterAdd{
                .index = index.view(), .dy = dy.view(), .dx = dx.view(), .accumulate = accumulate});
            return Outputs{values_of(y), values_of(dx)};
          },
          0.0);  // the CPU's order, so its bits
    }
}

TEST_CASE("simt: an index out of range gives NaN and takes no gradient", "[simt]") {
  Array<std::int32_t> index({1, 4, 1});
  index.values = {2, -1, 3, 2147483647};
  Array<float> x({1, 3, 1}, 5.0f), y({1, 4, 1}), dx({1, 3, 1});
  Device cpu({.threads = 1});
  const auto device = simt_device();
  for (Device* d : {&cpu, device.get()}) {
    d->stream().submit(Gather{.x = x.view(), .index = index.view(), .y = y.view()});
    CHECK(y[0] == 5.0f);
    for (int i = 1; i < 4; ++i) CHECK(std::isnan(y[i]));
    d->stream().submit(ScatterAdd{.index = index.view(), .dy = y.view(), .dx = dx.view()});
    CHECK(dx.values == std::vector<float>{0.0f, 0.0f, 5.0f});
  }
}

TEST_CASE("simt: gradients of one element are added in ascending order", "[simt]") {
  Array<std::int32_t> index({1, 4, 1}, 1);
  Array<float> dy({1, 4, 1}), dx({1, 3, 1}, 9.0f);
  dy.values = {1e8f, 1.0f, -1e8f, 1.0f};
  Device cpu({.threads = 1});
  const auto device = simt_device();
  for (Device* d : {&cpu, device.get()}) {
    d->stream().submit(ScatterAdd{.index = index.view(), .dy = dy.view(), .dx = dx.view()});
    CHECK(dx.values == std::vector<float>{0.0f, 1.0f, 0.0f});
  }
}

// What top-k must give, by sorting.
template <class T>
void check_top(Device& device, Array<T>& x, std::int64_t k) {
  const std::int64_t rows = x.shape[0], columns = x.shape[1];
  CAPTURE(rows, columns, k);
  Array<T> values({rows, k});
  Array<std::int32_t> indices({rows, k}, -7);
  device.stream().submit(TopK{.x = x.view(), .values = values.view(), .indices = indices.view()});
  bool right = true;
  for (std::int64_t r = 0; r < rows; ++r) {
    std::vector<std::int32_t> order(static_cast<std::size_t>(columns));
    std::iota(order.begin(), order.end(), 0);
    const auto at = [&](std::int32_t c) { return x.at(r * columns + c); };
    std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
      return at(a) > at(b) || (std::isnan(at(a)) && !std::isnan(at(b)));
    });
    for (std::int64_t i = 0; i < k; ++i) {
      const std::int32_t want = order[static_cast<std::size_t>(i)];
      right = right && indices[r * k + i] == want;
      right = right && (values.at(r * k + i) == at(want) || std::isnan(at(want)));
    }
  }
  CHECK(right);
}

TEMPLATE_TEST_CASE("simt: top-k, with equal elements and NaN", "[simt]", float, bf16, double) {
  Device cpu({.threads = 2});
  const auto simt = simt_device(simt::Order::shuffled), other = simt_device();
  for (const std::int64_t columns : {1, 5, 33, 1030}) {
    auto x = random_array<TestType>({4, columns}, 1);
    for (std::int64_t i = 0; i < x.size(); ++i) {
      if (i % 3 == 0) x[i] = TestType(1.5f);
      if (i % 7 == 4) x[i] = TestType(i % 2 ? 0.0f : -0.0f);
      if (i % 11 == 3) x[i] = TestType(-INFINITY);
      if (i % 50 == 9) x[i] = TestType(NAN);
    }
    for (const std::int64_t k :
         {std::int64_t{0}, std::int64_t{1}, std::min<std::int64_t>(columns, 6)})
      for (Device* d : {&cpu, simt.get(), other.get()}) check_top(*d, x, k);
    if (columns <= 33) check_top(cpu, x, columns), check_top(*simt, x, columns);
  }
}

}  // namespace
}  // namespace gigatrain::kernels
