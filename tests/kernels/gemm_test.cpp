// The matrix product: value against f64, and its order of arithmetic (kernels/gemm.h): the same
// bits for any thread count, any class of vector code, any part of C and any layout of A and B.
#include "kernels/gemm.h"

#include "gigatrain/base/error.h"
#include "kernels/elementwise.h"
#include "same_bits.h"

using namespace gigatrain;
using namespace gigatrain::kernels;
using namespace gigatrain::kernels::testing;

namespace {

struct Sizes {
  std::int64_t m, n, k;
};

const std::vector<Sizes> kSizes = {{1, 1, 1},   {1, 33, 7},    {7, 13, 33},   {13, 1, 129},
                                   {33, 7, 1},  {129, 65, 13}, {15, 129, 64}, {130, 40, 513},
                                   {29, 31, 0}, {3, 200, 1100}};

double gelu(double x) {
  return 0.5 * x * (1.0 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
}

// sum_k A[m,k] B[k,n], A (M, K) and B (K, N) contiguous.
template <class T>
std::vector<double> naive(const Array<T>& a, const Array<T>& b, const Sizes& s) {
  std::vector<double> c;
  for (std::int64_t i = 0; i < s.m; ++i)
    for (std::int64_t j = 0; j < s.n; ++j) {
      double sum = 0.0;
      for (std::int64_t k = 0; k < s.k; ++k) sum += a.at(i * s.k + k) * b.at(k * s.n + j);
      c.push_back(sum);
    }
  return c;
}

// The same matrix with its dims swapped in memory, or with rows `pad` elements further apart.
template <class T>
Array<T> transposed(const Array<T>& a) {
  const std::int64_t rows = a.shape[0], columns = a.shape[1];
  Array<T> t({columns, rows});
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j)
      t[j * rows + i] = a.values[static_cast<std::size_t>(i * columns + j)];
  return t;
}
template <class T>
Array<T> spread(const Array<T>& a, std::int64_t pad) {
  const std::int64_t columns = a.shape[1];
  Array<T> wide({a.shape[0], columns + pad}, T(7.0f));
  for (std::int64_t i = 0; i < a.size(); ++i)
    wide[i / columns * (columns + pad) + i % columns] = a.values[static_cast<std::size_t>(i)];
  return wide;
}
TensorView narrow(TensorView v, std::int64_t columns) {
  v.shape[1] = columns;
  return v;
}

template <class In, class Out = In>
Array<Out> product(Stream& stream, Array<In>& a, Array<In>& b, bool trans_a = false,
                   bool trans_b = false) {
  Array<Out> c({a.shape[trans_a ? 1 : 0], b.shape[trans_b ? 0 : 1]}, Out(9.0f));
  stream.submit(
      Gemm{.a = a.view(), .b = b.view(), .c = c.view(), .trans_a = trans_a, .trans_b = trans_b});
  return c;
}

template <class In, class Out>
void check_value(const Sizes& s, double limit, Bf16Products products = CpuFeatures::get().bf16) {
  if (products > CpuFeatures::get().bf16) return;
  Device device({.threads = 2, .bf16 = products});
  auto a = random_array<In>({s.m, s.k}, 1), b = random_array<In>({s.k, s.n}, 2);
  auto at = transposed(a), bt = transposed(b);
  const auto want = naive(a, b, s);
  CAPTURE(s.m, s.n, s.k, name(products));
  const auto c = product<In, Out>(device.stream(), a, b);
  CHECK(relative_error(c, want) < limit);
  CHECK((bytes_of(product<In, Out>(device.stream(), at, b, true, false)) == bytes_of(c)));
  CHECK((bytes_of(product<In, Out>(device.stream(), a, bt, false, true)) == bytes_of(c)));
  CHECK((bytes_of(product<In, Out>(device.stream(), at, bt, true, true)) == bytes_of(c)));
}

}  // namespace

TEST_CASE("a product has the value of f64 arithmetic, and one result for every layout",
          "[unit][gemm]") {
  for (const Sizes& s : kSizes) {
    check_value<float, float>(s, 1e-6);
    check_value<double, double>(s, 1e-14);
    check_value<bf16, float>(s, 1e-6, Bf16Products::widened);
    for (const auto products : {Bf16Products::avx512_bf16, Bf16Products::amx}) {
      check_value<bf16, float>(s, 1e-5, products);
      check_value<bf16, bf16>(s, 1e-2, products);
    }
    check_value<f16, float>(s, 1e-6);
    check_value<f16, f16>(s, 1e-3);
    check_value<float, f16>(s, 1e-3);
  }
}

TEST_CASE("bias, GELU, its input, and accumulation follow the product", "[unit][gemm]") {
  Device device({.threads = 2});
  for (const Sizes& s : {Sizes{37, 45, 20}, Sizes{16, 70, 530}, Sizes{1, 5, 3}}) {
    auto a = random_array<float>({s.m, s.k}, 1, -0.3f, 0.3f);
    auto b = random_array<float>({s.k, s.n}, 2, -0.3f, 0.3f);
    auto bias = random_array<float>({s.n}, 3);
    auto want = naive(a, b, s);
    std::vector<double> want_sum = want, want_gelu;
    auto c = random_array<float>({s.m, s.n}, 4), pre = c, activated = c;
    for (std::size_t i = 0; i < want.size(); ++i) {
      want[i] += bias.at(static_cast<std::int64_t>(i) % s.n);
      want_gelu.push_back(gelu(want[i]));
      want_sum[i] += c.at(static_cast<std::int64_t>(i));
    }
    device.stream().submit(Gemm{.a = a.view(),
                                .b = b.view(),
                                .c = activated.view(),
                                .bias = bias.view(),
                                .pre = pre.view(),
                                .gelu = true});
    device.stream().submit(Gemm{.a = a.view(), .b = b.view(), .c = c.view(), .accumulate = true});
    CHECK(relative_error(pre, want) < 1e-6);
    CHECK(relative_error(activated, want_gelu) < 1e-6);
    CHECK(relative_error(c, want_sum) < 1e-6);
  }
}

template <class In>
void check_onto(const Sizes& s, int count, Bf16Products products) {
  if (products > CpuFeatures::get().bf16) return;
  Device device({.threads = 2, .bf16 = products});
  CAPTURE(s.m, s.n, s.k, count, name(products));
  auto a = random_array<In>({s.m, s.k}, 1), b = random_array<In>({s.k, s.n}, 2);
  std::vector<Array<float>> onto;
  for (int i = 0; i < count; ++i)
    onto.push_back(random_array<float>({s.m, s.n}, 3 + static_cast<std::uint32_t>(i)));
  auto want = product<In, float>(device.stream(), a, b);
  for (auto& more : onto)
    device.stream().submit(Add{.a = want.view(), .b = more.view(), .y = want.view()});
  Gemm g{.a = a.view(), .b = b.view(), .c = onto.back().view()};
  for (auto& more : onto) g.onto[g.onto_count++] = more.values.data();
  device.stream().submit(g);
  CHECK(bytes_of(onto.back()) == bytes_of(want));
}

TEST_CASE("a product added onto others has the bits of a product and of additions",
          "[unit][gemm][bits]") {
  const Bf16Products all[] = {Bf16Products::widened, Bf16Products::avx512_bf16, Bf16Products::amx};
  int count = 0;
  for (const Sizes& s : {Sizes{37, 45, 20}, Sizes{150, 70, 530}, Sizes{64, 200, 4200},
                         Sizes{260, 33, 1100}, Sizes{1, 5, 3}, Sizes{9, 8, 0}}) {
    count = count % Gemm::kMostOnto + 1;
    check_onto<float>(s, count, Bf16Products::widened);
    check_onto<f16>(s, count, Bf16Products::widened);
    for (const auto products : all) check_onto<bf16>(s, count, products);
  }
}

namespace {

// B in f32 beside a bf16 A, in every layout, with the bits of its copy in bf16.
void check_rounded(const Sizes& s, Device& device) {
  auto a = random_array<bf16>({s.m, s.k}, 1);
  auto b = random_array<float>({s.k, s.n}, 2);
  Array<bf16> copy({s.k, s.n});
  device.stream().submit(Copy{.x = b.view(), .y = copy.view()});
  const Bytes want = bytes_of(product<bf16, float>(device.stream(), a, copy));
  for (const bool trans_a : {false, true})
    for (const bool trans_b : {false, true})
      for (const std::int64_t pad : {0, 5}) {
        auto left = trans_a ? transposed(a) : a;
        auto right = spread(trans_b ? transposed(b) : b, pad);
        Array<float> c({s.m, s.n}, 9.0f);
        device.stream().submit(Gemm{.a = left.view(),
                                    .b = narrow(right.view(), right.shape[1] - pad),
                                    .c = c.view(),
                                    .trans_a = trans_a,
                                    .trans_b = trans_b});
        CAPTURE(s.m, s.n, s.k, trans_a, trans_b, pad);
        CHECK(bytes_of(c) == want);
      }
}

}  // namespace

TEST_CASE("f32 beside bf16 has the bits of its rounded copy", "[unit][gemm][bits]") {
  std::vector<Sizes> sizes = kSizes;
  for (const Sizes& s : {Sizes{64, 200, 2100}, Sizes{900, 40, 70}, Sizes{40, 900, 71}})
    sizes.push_back(s);  // those whose sides are packed by tasks, and by stretches
  for (const Sizes& s : sizes) {
    for (const Isa isa : {Isa::base, Isa::avx2, Isa::avx512}) {
      if (isa > CpuFeatures::get().best) continue;
      Device device({.threads = 2, .isa = isa, .bf16 = Bf16Products::widened});
      CAPTURE(name(isa));
      check_rounded(s, device);
    }
    for (const auto products : {Bf16Products::avx512_bf16, Bf16Products::amx}) {
      if (products > CpuFeatures::get().bf16) continue;
      Device device({.threads = 2, .bf16 = products});
      CAPTURE(name(products));
      check_rounded(s, device);
    }
  }
}

TEST_CASE("bf16 results are rounded once, after the last K block", "[unit][gemm]") {
  Device device({.threads = 1});
  auto a = random_array<bf16>({20, 1500}, 1), b = random_array<bf16>({1500, 50}, 2);
  auto bias = random_array<float>({50}, 3);
  Array<float> exact({20, 50});
  Array<bf16> rounded({20, 50}), pre({20, 50});
  device.stream().submit(
      Gemm{.a = a.view(), .b = b.view(), .c = exact.view(), .bias = bias.view()});
  device.stream().submit(Gemm{.a = a.view(),
                              .b = b.view(),
                              .c = rounded.view(),
                              .bias = bias.view(),
                              .pre = pre.view(),
                              .gelu = true});
  for (std::int64_t i = 0; i < exact.size(); ++i) {
    CAPTURE(i);
    REQUIRE(pre[i].bits == bf16(exact[i]).bits);
    REQUIRE(std::abs(rounded.at(i) - gelu(exact.at(i))) <= 0x1p-8 * std::abs(exact.at(i)));
  }
}

TEST_CASE("a product has the same bits for every class and thread count", "[unit][gemm][threads]") {
  for (const Sizes& s : {Sizes{50, 67, 600}, Sizes{3, 300, 40}, Sizes{130, 20, 77}}) {
    auto a = random_array<float>({s.m, s.k}, 1), b = random_array<float>({s.k, s.n}, 2);
    auto bias = random_array<float>({s.n}, 3);
    auto a16 = random_array<bf16>({s.m, s.k}, 4), b16 = random_array<bf16>({s.n, s.k}, 5);
    auto ah = random_array<f16>({s.m, s.k}, 4), bh = random_array<f16>({s.n, s.k}, 5);
    auto bt = transposed(bh);
    check_same_bits([&](Stream& stream) {
      Array<float> c({s.m, s.n}, 0.5f), activated({s.m, s.n}), pre({s.m, s.n});
      stream.submit(Gemm{.a = a.view(), .b = b.view(), .c = c.view(), .accumulate = true});
      stream.submit(Gemm{.a = a.view(),
                         .b = b.view(),
                         .c = activated.view(),
                         .bias = bias.view(),
                         .pre = pre.view(),
                         .gelu = true});
      return bytes_of(c, activated, pre, product(stream, a16, b16, false, true),
                      product(stream, ah, bh, false, true), product(stream, ah, bt));
    });
  }
}

TEST_CASE("the processor's bf16 gives one result for every thread count", "[unit][gemm][threads]") {
  auto a = random_array<bf16>({200, 1030}, 1), b = random_array<bf16>({1030, 150}, 2);
  check_same_bits_of_bf16(
      [&](Stream& stream) { return bytes_of(product<bf16, float>(stream, a, b)); });
}

namespace {

// Rows [r, r + m) and columns [c, c + n) of the whole, computed alone and from strided operands.
template <class T>
void check_parts(const Sizes& s, std::initializer_list<std::int64_t> starts) {
  Device device({.threads = 2});
  auto a = random_array<T>({s.m, s.k}, 1), b = random_array<T>({s.k, s.n}, 2);
  const auto whole = product<T, float>(device.stream(), a, b);
  auto wide_a = spread(a, 3), wide_b = spread(b, 5);
  for (const std::int64_t r : starts)
    for (const std::int64_t c : starts) {
      if (r >= s.m || c >= s.n) continue;
      const std::int64_t m = std::min<std::int64_t>(s.m - r, 19),
                         n = std::min<std::int64_t>(s.n - c, 41);
      Array<float> part({m, n});
      TensorView va = narrow(wide_a.view(), s.k), vb = narrow(wide_b.view(), n);
      va.data = va.as<T>() + r * (s.k + 3), va.shape[0] = m;
      vb.data = vb.as<T>() + c;
      device.stream().submit(Gemm{.a = va, .b = vb, .c = part.view()});
      std::int64_t different = 0;
      for (std::int64_t i = 0; i < part.size(); ++i)
        different +=
            part[i] != whole.values[static_cast<std::size_t>((r + i / n) * s.n + c + i % n)];
      CAPTURE(r, c);
      CHECK(different == 0);
    }
}

}  // namespace

TEST_CASE("a part of C computed alone equals the same part of the whole", "[unit][gemm]") {
  check_parts<float>({150, 300, 700}, {0, 1, 17, 64, 131, 290});
  check_parts<bf16>({150, 300, 701}, {0, 1, 17, 64, 131, 290});
}

TEST_CASE("products of one batch dim are those of each of its matrices", "[unit][gemm]") {
  Device device({.threads = 2});
  auto a = random_array<float>({3, 20, 33}, 1), b = random_array<float>({3, 33, 17}, 2);
  Array<float> c({3, 20, 17}), one({20, 17});
  device.stream().submit(Gemm{.a = a.view(), .b = b.view(), .c = c.view()});
  for (std::int64_t i = 0; i < 3; ++i) {
    device.stream().submit(Gemm{.a = TensorView(&a[i * 660], DType::f32, {20, 33}),
                                .b = TensorView(&b[i * 561], DType::f32, {33, 17}),
                                .c = one.view()});
    CHECK(std::memcmp(one.values.data(), &c[i * 340], 340 * sizeof(float)) == 0);
  }
}

TEST_CASE("a product leaves what lies between the rows of C alone", "[unit][gemm]") {
  Device device({.threads = 1});
  auto a = random_array<float>({20, 9}, 1), b = random_array<float>({9, 35}, 2);
  Array<float> c({20, 40}, -3.0f);
  device.stream().submit(Gemm{.a = a.view(), .b = b.view(), .c = narrow(c.view(), 35)});
  for (std::int64_t i = 0; i < c.size(); ++i)
    if (i % 40 >= 35) REQUIRE(c[i] == -3.0f);
}

TEST_CASE("K longer than one round of packing goes on in the same order", "[slow][gemm]") {
  Device device({.threads = 2});
  const Sizes s{30, 40, 10007};
  auto a = random_array<float>({s.m, s.k}, 1), b = random_array<float>({s.k, s.n}, 2);
  Array<float> sum({s.m, s.n}), total({s.m, s.n});
  for (std::int64_t k = 0; k < s.k; k += kGemmK) {
    const std::int64_t size = std::min(kGemmK, s.k - k);
    TensorView va = narrow(a.view(), size), vb = b.view();
    va.data = va.as<float>() + k, vb.data = vb.as<float>() + k * s.n, vb.shape[0] = size;
    device.stream().submit(Gemm{.a = va, .b = vb, .c = sum.view()});
    for (std::int64_t i = 0; i < sum.size(); ++i) total[i] = k == 0 ? sum[i] : total[i] + sum[i];
  }
  CHECK((bytes_of(product(device.stream(), a, b)) == bytes_of(total)));
}

TEST_CASE("a product that breaks the rules is refused with both shapes", "[unit][gemm]") {
  Device device({.threads = 1});
  Array<float> a({4, 5}), b({6, 3}), c({4, 3}), good({5, 3});
  Array<bf16> half({5, 3}), c16({4, 3});
  using Catch::Matchers::Contains;
  const auto refused = [&](const Gemm& g, const char* text) {
    CHECK_THROWS_WITH(device.stream().submit(g), Contains(text));
  };
  refused({.a = a.view(), .b = b.view(), .c = c.view()}, "(4, 5)");
  refused({.a = a.view(), .b = b.view(), .c = c.view()}, "(6, 3)");
  refused({.a = a.view(), .b = half.view(), .c = c.view()}, "one dtype");
  refused({.a = a.view(), .b = good.view(), .c = c16.view(), .accumulate = true}, "accumulate");
  refused({.a = a.view(), .b = good.view(), .c = c.view(), .bias = a.view()}, "bias");
  refused({.a = a.view(), .b = good.view(), .c = c.view(), .pre = c.view()}, "pre");
  refused({.a = a.view(), .b = good.view(), .c = c.view(), .accumulate = true, .onto_count = 1},
          "added onto others");
}
