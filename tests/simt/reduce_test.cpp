// The GPU's sums and digest on the host SIMT machine, beside the CPU's.
#include "kernels/reduce.h"

#include "kernels/cuda/tree.cuh"
#include "simt/compare.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

template <class T>
void check_sum(const TensorView& x, const Shape& to, double scale = 0.5) {
  CAPTURE(x.shape.str(), to.str());
  compare_with_cpu(
      [&](Stream& stream) {
        Array<T> y(to, T(9.0f));
        stream.submit(Sum{.x = x, .y = y.view(), .scale = scale});
        return Outputs{values_of(y)};
      },
      sizeof(T) == 8 ? 1e-14 : kRounding<T>);
}

TEMPLATE_TEST_CASE("simt: sum over any dims", "[simt]", float, bf16, double) {
  const struct {
    Shape from, to;
  } cases[] = {
      {{}, {}},
      {{1}, {1}},
      {{4095}, {1}},
      {{4, 6}, {4, 6}},      // nothing is summed
      {{0, 40}, {1, 40}},    // nothing at all is summed
      {{20000}, {1}},        // in packs
      {{3, 4101}, {3, 1}},   // rows that do not start at a multiple of 16 bytes
      {{70, 136}, {70, 1}},  // last dim
      {{9000, 3}, {1, 3}},   // few columns
      {{300, 70}, {1, 70}},  // leading dim
      {{4, 50, 33}, {1, 1, 33}},
      {{9, 7, 20}, {9, 1, 20}},  // a middle dim
      {{9, 7, 5}, {1, 7, 1}},
      {{2, 3, 4, 2, 3, 5}, {2, 1, 4, 1, 3, 1}},
  };
  for (const auto& c : cases) {
    auto x = random_array<TestType>(c.from, 1);
    check_sum<TestType>(x.view(), c.to);
  }
}

TEST_CASE("simt: sum of strided views", "[simt]") {
  auto x = random_array<float>({50, 3, 41}, 2);
  TensorView turned = x.view();
  turned.shape = {41, 50, 3};
  turned.strides = {1, 123, 41};
  check_sum<float>(turned, {41, 1, 1});
  check_sum<float>(turned, {1, 50, 1});
  check_sum<float>(turned, {1, 1, 1});
  TensorView spread = x.view();  // one number, many times
  spread.shape = {4, 5000};
  spread.strides = {1, 0};
  check_sum<float>(spread, {4, 1});
  Array<float> wide({8, 5}, 7.0f), rows({8, 20});
  TensorView y = wide.view();  // sums go to every fifth element
  y.shape = {8, 1};
  compare_with_cpu(
      [&](Stream& stream) {
        stream.submit(Sum{.x = rows.view(), .y = y});
        return Outputs{values_of(wide)};
      },
      0.0);
}

// Values whose f64 sum depends on the order, read by each of the kernels.
TEST_CASE("simt: a sum's bits do not depend on strides", "[simt]") {
  constexpr std::int64_t kRows = 20, kColumns = 9000;
  auto x = random_array<double>({kRows, kColumns}, 1);
  for (std::int64_t i = 0; i < x.size(); ++i) x[i] *= std::pow(10.0, i % 30);
  Array<double> turned({kColumns, kRows}), padded({kRows, kColumns + 1});
  for (std::int64_t r = 0; r < kRows; ++r)
    for (std::int64_t c = 0; c < kColumns; ++c)
      turned[c * kRows + r] = padded[r * (kColumns + 1) + c] = x[r * kColumns + c];
  TensorView columns = turned.view(), odd_rows = padded.view();
  columns.shape = odd_rows.shape = x.shape;
  columns.strides = {1, kRows};
  const auto device = simt_device();
  const auto sums = [&](const TensorView& view) {
    Array<double> y({kRows, 1});
    device->stream().submit(Sum{.x = view, .y = y.view()});
    return y.values;
  };
  const auto want = sums(x.view());
  CHECK(sums(columns) == want);
  CHECK(sums(odd_rows) == want);
}

// Large enough for two rounds of the tree over chunks.
TEST_CASE("simt: sum of many chunks", "[simt]") {
  auto x = random_array<bf16>({135 * kScalarChunk + 3}, 1);
  check_sum<bf16>(x.view(), {1});
}

struct RootKernel {
  static constexpr int kThreads = 256;
  struct Shared {};
  double* values;
  std::int64_t n;
  double* roots;  // one a thread
  template <class Cta>
  void operator()(Cta& cta, Shared&) const {
    roots[cta.thread()] = cuda::block_tree<kThreads>(cta, values, n);
  }
};

TEST_CASE("simt: a block's tree is tree_sum's, bit for bit", "[simt]") {
  for (const std::int64_t n : {0, 1, 2, 5, 128, 129, 1000, 16384, 16385, 40007}) {
    CAPTURE(n);
    auto values = random_array<double>({n}, 1);
    for (std::int64_t i = 0; i < n; ++i) values[i] *= std::pow(10.0, i % 30);
    if (n < 3) std::fill(values.values.begin(), values.values.end(), -0.0);
    auto copy = values.values;
    const double want = tree_sum(copy.data(), n);
    for (const auto order :
         {simt::Order::ascending, simt::Order::descending, simt::Order::shuffled}) {
      copy = values.values;
      std::vector<double> roots(RootKernel::kThreads, 7.0);
      simt::Machine(order).launch(RootKernel{.values = copy.data(), .n = n, .roots = roots.data()},
                                  {}, "tree");
      for (const double root : roots)
        REQUIRE((root == want && std::signbit(root) == std::signbit(want)));
    }
  }
}

template <class T>
void check_digest() {
  Array<T> x({40005});
  std::mt19937_64 generator(3);
  for (T& v : x.values) {
    const std::uint64_t word = generator();
    std::memcpy(&v, &word, sizeof v);
  }
  for (const std::int64_t n : {0, 16, 16384, 40004})
    for (const std::int64_t skipped : {0, 1}) {
      CAPTURE(sizeof(T), n, skipped);
      const TensorView view(x.values.data() + skipped, dtype_of<T>::value, {n});
      compare_with_cpu(
          [&](Stream& stream) {
            std::uint64_t digest = 5;
            stream.submit(Digest{.x = view, .first_index = 100, .digest = &digest});
            const auto low = static_cast<double>(digest & 0xffffffffu);
            return Outputs{{low, static_cast<double>(digest >> 32)}};
          },
          0.0);
    }
}

TEST_CASE("simt: the digest is the CPU's number", "[simt]") {
  check_digest<float>();
  check_digest<bf16>();
  check_digest<double>();
  check_digest<std::uint8_t>();
}

}  // namespace
}  // namespace gigatrain::kernels
