// The GPU's dropout on the host SIMT machine, beside the CPU's.
#include "kernels/dropout.h"

#include "kernels/cuda/dropout_mask.cuh"
#include "simt/compare.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

constexpr DropoutArgs kArgs{
    .rate = 0.25f, .key = {11, 12}, .step = 13, .first_sample = 14, .rows_per_sample = 3};

// Eleven rows: the last sample has two of its three rows.
TEMPLATE_TEST_CASE("simt: dropout keeps what the CPU keeps", "[simt]", float, bf16) {
  for (const std::int64_t n : {1, 7, 24, 64, 101, 2000}) {
    CAPTURE(n);
    const Shape shape{11, n};
    auto x = random_array<TestType>(shape, 1), residual = random_array<TestType>(shape, 2);
    compare_with_cpu(
        [&](Stream& stream) {
          Array<TestType> y(shape), sum(shape), in_place = x;
          stream.submit(Dropout{.x = x.view(), .y = y.view(), .dropout = kArgs});
          stream.submit(Dropout{
              .x = x.view(), .y = sum.view(), .residual = residual.view(), .dropout = kArgs});
          stream.submit(Dropout{.x = in_place.view(), .y = in_place.view(), .dropout = kArgs});
          CHECK(bytes_of(in_place) == bytes_of(y));
          Outputs out{values_of(y), values_of(sum)};
          Values zeros;  // the very same elements are dropped
          for (const double v : out[0]) zeros.push_back(v == 0.0);
          out.push_back(zeros);
          return out;
        },
        kRounding<TestType> / 4);
  }
}

// A sample of fewer elements than a thread steps over; rows that start off a pack.
TEST_CASE("simt: dropout of tiny samples and unaligned rows", "[simt]") {
  auto x = random_array<float>({20, 300}, 3), y = x;
  for (const auto& [offset, shape] : {std::pair{0, Shape{6000, 1}},
                                      {0, Shape{1500, 4}},
                                      {0, Shape{750, 8}},
                                      {1, Shape{10, 400}},
                                      {0, Shape{0, 8}}}) {
    CAPTURE(offset, shape[0], shape[1]);
    DropoutArgs args = kArgs;
    args.rows_per_sample = 1;
    compare_with_cpu(
        [&, offset = offset, shape = shape](Stream& stream) {
          std::fill(y.values.begin(), y.values.end(), -1.0f);
          stream.submit(Dropout{.x = TensorView(&x[offset], DType::f32, shape),
                                .y = TensorView(&y[offset], DType::f32, shape),
                                .dropout = args});
          return Outputs{values_of(y)};
        },
        0.0);
  }
}

TEST_CASE("simt: the mask's integer threshold is the rate", "[simt]") {
  for (const float rate : {0x1p-149f, 0x1p-25f, 0x1p-24f, 0x1.8p-23f, 0.1f, 0.25f, 0.3f, 0.5f,
                           0.50000006f, 0.9f, 0.99999988f, 0.99999994f}) {
    const std::uint32_t word = cuda::first_kept_word(rate);
    CAPTURE(rate, word);
    CHECK(to_uniform(word) >= rate);
    CHECK((word == 0 || to_uniform(word - 1) < rate));
  }
}

TEST_CASE("simt: dropout never lets an infinity through", "[simt]") {
  Array<float> x({3, 1000}, INFINITY), y({3, 1000});
  const auto device = simt_device();
  device->stream().submit(Dropout{.x = x.view(), .y = y.view(), .dropout = kArgs});
  const auto dropped = std::count(y.values.begin(), y.values.end(), 0.0f);
  CHECK(dropped > 0);
  CHECK(std::count(y.values.begin(), y.values.end(), INFINITY) == x.size() - dropped);
}

}  // namespace
}  // namespace gigatrain::kernels
