// The GPU's cross-entropy on the host SIMT machine, beside the CPU's.
#include "kernels/cross_entropy.h"

#include "simt/compare.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

Array<std::int32_t> targets_of(std::int64_t rows, std::int64_t n) {
  auto targets = random_tokens({rows}, 5, static_cast<std::int32_t>(n));
  for (std::int64_t row = 2; row < rows; row += 3) targets[row] = -1;
  targets[0] = static_cast<std::int32_t>(n - 1);
  return targets;
}

// Rows of n columns that start `stride` elements apart.
template <class T>
TensorView rows_of(Array<T>& array, std::int64_t n) {
  TensorView view = array.view();
  view.shape[1] = n;
  return view;
}

template <class T>
void check(std::int64_t rows, std::int64_t n, std::int64_t stride, bool in_place,
           float smoothing = 0.0f, float z_loss = 0.0f) {
  CAPTURE(rows, n, stride, in_place, smoothing, z_loss);
  auto targets = targets_of(rows, n);
  compare_with_cpu(
      [&](Stream& stream) {
        auto z = random_array<T>({rows, stride}, 1, -20, 20);
        Array<T> dz(z.shape, T(9.0f));
        Array<float> loss({rows}), loss_only({rows});
        CrossEntropy args{.logits = rows_of(z, n),
                          .targets = targets.view(),
                          .loss = loss_only.view(),
                          .scale = 0.125f,
                          .label_smoothing = smoothing,
                          .z_loss = z_loss};
        stream.submit(args);
        args.loss = loss.view();
        args.dlogits = rows_of(in_place ? z : dz, n);
        stream.submit(args);
        CHECK(loss.values == loss_only.values);
        return Outputs{values_of(loss), values_of(in_place ? z : dz)};
      },
      sizeof(T) == 2 ? kRounding<T> : 2e-6);
}

TEMPLATE_TEST_CASE("simt: cross-entropy", "[simt]", float, bf16) {
  for (const std::int64_t n : {1, 2, 17, 256, 4099})
    for (const bool in_place : {false, true}) check<TestType>(7, n, n, in_place);
  check<TestType>(4, 1031, 1088, false);  // in packs, with elements left over
  check<TestType>(4, 1031, 1088, true);
  check<TestType>(2, 16383, 16384, true);  // blocks of more threads
  check<TestType>(1, 16390, 16390, false);
}

TEMPLATE_TEST_CASE("simt: cross-entropy with smoothed labels and a z-loss", "[simt]", float, bf16) {
  for (const std::int64_t n : {1, 17, 256, 1031}) {
    check<TestType>(5, n, n, true, 0.25f, 0.0625f);
    check<TestType>(5, n, n, false, 0.0f, 0.0625f);
    check<TestType>(5, n, n, false, 0.25f);
  }
  check<TestType>(2, 8200, 8200, true, 0.25f, 0.0625f);
}

TEST_CASE("simt: a z-loss of masked logits, whose spread is infinite", "[simt]") {
  Array<float> z({1, 300}, -INFINITY), dz({1, 300}), loss({1});
  Array<std::int32_t> targets({1}, 7);
  z[7] = z[8] = 1.0f;
  const auto device = simt_device();
  device->stream().submit(CrossEntropy{.logits = z.view(),
                                       .targets = targets.view(),
                                       .loss = loss.view(),
                                       .dlogits = dz.view(),
                                       .z_loss = 0.5f});
  const double lse = 1.0 + std::log(2.0);
  CHECK(loss.at(0) == Approx(std::log(2.0) + 0.5 * lse * lse));
  CHECK(dz.at(8) == Approx(0.5 * (1 + lse)));
  CHECK(dz.at(9) == 0.0);
}

TEST_CASE("simt: cross-entropy is stable for large, masked and wrong logits", "[simt]") {
  constexpr std::int64_t kN = 3000;
  Array<float> z({6, kN}, 1e30f), dz({6, kN}), loss({6});
  Array<std::int32_t> targets({6}, 2500);
  for (std::int64_t c = 0; c < kN; ++c) {
    z[kN + c] = c >= 2500 ? 5.0f : -INFINITY;
    z[2 * kN + c] = c == 19 ? NAN : 0.0f;
    z[3 * kN + c] = -1e30f;
    z[4 * kN + c] = c == 19 ? INFINITY : 0.0f;
    z[5 * kN + c] = -INFINITY;
  }
  const auto device = simt_device();
  device->stream().submit(CrossEntropy{
      .logits = z.view(), .targets = targets.view(), .loss = loss.view(), .dlogits = dz.view()});
  CHECK(loss.at(0) == Approx(std::log(3000.0)));
  CHECK(loss.at(1) == Approx(std::log(500.0)));
  CHECK(dz.at(kN + 7) == 0.0);
  CHECK(dz.at(kN + 2501) == Approx(0.002));
  CHECK(std::isnan(loss.at(2)));
  CHECK(loss.at(3) == Approx(std::log(3000.0)));
  CHECK(dz.at(3 * kN + 2500) == Approx(1.0 / 3000 - 1.0));
  CHECK(std::isnan(loss.at(4)));
  CHECK(std::isnan(loss.at(5)));
}

TEMPLATE_TEST_CASE("simt: a target outside the vocabulary gives NaN", "[simt]", float, bf16) {
  constexpr std::int64_t kN = 37, kStride = 40;
  auto z = random_array<TestType>({4, kStride}, 1);
  Array<TestType> dz(z.shape, TestType(9.0f));
  Array<float> loss({4});
  Array<std::int32_t> targets({4}, 3);
  targets.values = {37, -1, -2, 2147483647};
  const auto device = simt_device();
  device->stream().submit(CrossEntropy{.logits = rows_of(z, kN),
                                       .targets = targets.view(),
                                       .loss = loss.view(),
                                       .dlogits = rows_of(dz, kN)});
  for (std::int64_t row = 0; row < 4; ++row) {
    CAPTURE(row);
    CHECK(std::isnan(loss.at(row)) == (row != 1));
    for (std::int64_t c = 0; c < kStride; ++c) {
      const double d = dz.at(row * kStride + c);
      REQUIRE((c >= kN ? d == 9.0 : row == 1 ? d == 0.0 : std::isnan(d)));
    }
  }
}

}  // namespace
}  // namespace gigatrain::kernels
