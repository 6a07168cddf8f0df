// Sums over any dims, and the state digest.
#include "kernels/reduce.h"

#include "gigatrain/base/hash.h"
#include "kernels/same_bits.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

template <class T>
void check_sum(const Shape& from, const Shape& to, double scale) {
  CAPTURE(from.str(), to.str());
  auto x = random_array<T>(from, 1);
  Array<T> y(to);
  Device device;
  device.stream().submit(Sum{.x = x.view(), .y = y.view(), .scale = scale});
  std::vector<double> want(y.values.size());
  for (std::int64_t i = 0; i < x.size(); ++i) {
    std::int64_t rest = i, at = 0, stride = 1;
    for (int d = from.dims() - 1; d >= 0; --d) {
      at += to[d] == 1 ? 0 : rest % from[d] * stride;
      stride *= to[d];
      rest /= from[d];
    }
    want[static_cast<std::size_t>(at)] += x.at(i) * scale;
  }
  CHECK(relative_error(y, want) < std::max(kRounding<T>, 1e-14));
}

TEMPLATE_TEST_CASE("sum over any dims", "[unit][kernels]", float, bf16, double) {
  check_sum<TestType>({20000}, {1}, 1.0);
  check_sum<TestType>({9, 7, 5}, {1, 1, 1}, 1.0 / 315);
  check_sum<TestType>({9, 7, 5}, {9, 1, 5}, 1.0);
  check_sum<TestType>({9, 7, 5}, {1, 7, 1}, 2.0);
  check_sum<TestType>({70, 130}, {70, 1}, 1.0);
  check_sum<TestType>({5000, 3}, {1, 3}, 1.0);
  check_sum<TestType>({4, 6}, {4, 6}, 1.0);
}

TEST_CASE("the sum of nothing is zero", "[unit][kernels]") {
  Array<float> x({0, 3}), y({1, 3}, 8.0f);
  Device device;
  device.stream().submit(Sum{.x = x.view(), .y = y.view()});
  CHECK(y.values == std::vector<float>(3, 0.0f));
}

TEST_CASE("a sum's bits do not depend on strides", "[unit][kernels]") {
  auto x = random_array<double>({70, 5001}, 1);
  Array<double> turned({5001, 70}), y({70, 1}), z({70, 1});
  for (std::int64_t i = 0; i < x.size(); ++i) turned[i % 5001 * 70 + i / 5001] = x.at(i);
  TensorView view = turned.view();
  view.shape = {70, 5001};
  view.strides = {1, 70};
  Device device;
  device.stream().submit(Sum{.x = x.view(), .y = y.view()});
  device.stream().submit(Sum{.x = view, .y = z.view()});
  CHECK(y.values == z.values);
}

template <class T>
void check_digest() {
  const std::int64_t n = 40003;
  Array<T> x({n});
  std::mt19937_64 generator(3);
  for (T& v : x.values) {
    const std::uint64_t word = generator();
    std::memcpy(&v, &word, sizeof v);
  }
  std::uint64_t want = 0, whole = 0, first = 0, second = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &x[i], sizeof(T));
    want = digest_add(want, digest_mix(100 + static_cast<std::uint64_t>(i), bits));
  }
  Device device;
  device.stream().submit(Digest{.x = x.view(), .first_index = 100, .digest = &whole});
  CHECK(whole == want);
  TensorView a(x.values.data(), dtype_of<T>::value, {17001});
  TensorView b(&x[17001], dtype_of<T>::value, {n - 17001});
  device.stream().submit(Digest{.x = a, .first_index = 100, .digest = &first});
  device.stream().submit(Digest{.x = b, .first_index = 17101, .digest = &second});
  CHECK(digest_add(first, second) == want);
}

TEST_CASE("the digest is the sum of the mixes, however a tensor is cut", "[unit][kernels]") {
  check_digest<float>();
  check_digest<bf16>();
  check_digest<double>();
  check_digest<std::int64_t>();
  check_digest<std::uint8_t>();
}

TEMPLATE_TEST_CASE("reductions give the same bits everywhere", "[unit][kernels]", float, double) {
  check_same_bits([](Stream& stream) {
    auto x = random_array<TestType>({131, 517}, 1);
    Array<TestType> rows({131, 1}), columns({1, 517}), all({1, 1});
    Array<std::int64_t> digest({1});
    stream.submit(Sum{.x = x.view(), .y = rows.view()});
    stream.submit(Sum{.x = x.view(), .y = columns.view()});
    stream.submit(Sum{.x = x.view(), .y = all.view()});
    std::uint64_t value = 0;
    stream.submit(Digest{.x = x.view(), .digest = &value});
    digest[0] = static_cast<std::int64_t>(value);
    return bytes_of(rows, columns, all, digest);
  });
}

}  // namespace
}  // namespace gigatrain::kernels
