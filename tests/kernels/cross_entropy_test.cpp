// Cross-entropy and its gradient against f64.
#include "kernels/cross_entropy.h"

#include "kernels/same_bits.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

struct Reference {
  std::vector<double> loss, gradient;
};

template <class T>
Reference exact(const Array<T>& z, const Array<std::int32_t>& targets, double scale,
                double smoothing = 0.0, double z_loss = 0.0) {
  const std::int64_t n = z.shape[-1];
  Reference r;
  for (std::int64_t row = 0; row < targets.size(); ++row) {
    double highest = -INFINITY, sum = 0.0;
    for (std::int64_t c = 0; c < n; ++c) highest = std::max(highest, z.at(row * n + c));
    for (std::int64_t c = 0; c < n; ++c) sum += std::exp(z.at(row * n + c) - highest);
    const auto target = static_cast<std::int64_t>(targets.at(row));
    const bool counts = target >= 0;
    const double lse = highest + std::log(sum), each = smoothing / static_cast<double>(n);
    double loss = z_loss * lse * lse;
    for (std::int64_t c = 0; c < n; ++c) {
      const double p = std::exp(z.at(row * n + c) - lse);
      const double wanted = each + (c == target ? 1.0 - smoothing : 0.0);
      loss += wanted == 0.0 ? 0.0 : wanted * (lse - z.at(row * n + c));
      r.gradient.push_back(counts ? scale * (p * (1 + 2 * z_loss * lse) - wanted) : 0.0);
    }
    r.loss.push_back(counts ? scale * loss : 0.0);
  }
  return r;
}

Array<std::int32_t> targets_of(std::int64_t rows, std::int64_t n) {
  auto targets = random_tokens({rows}, 5, static_cast<std::int32_t>(n));
  for (std::int64_t row = 3; row < rows; row += 4) targets[row] = -1;
  return targets;
}

TEMPLATE_TEST_CASE("cross-entropy follows its formulas", "[unit][kernels]", float, bf16) {
  for (const std::int64_t n : {1, 2, 17, 256, 1031, 50257}) {
    CAPTURE(n);
    const std::int64_t rows = n > 10000 ? 5 : 70;
    auto z = random_array<TestType>({rows, n}, 1, -20, 20);
    auto targets = targets_of(rows, n);
    Array<TestType> dz(z.shape, TestType(9.0f));
    Array<float> loss({rows}), loss_only({rows});
    Device device;
    CrossEntropy args{.logits = z.view(),
                      .targets = targets.view(),
                      .loss = loss.view(),
                      .dlogits = dz.view(),
                      .scale = 0.125f};
    device.stream().submit(args);
    const Reference want = exact(z, targets, 0.125);
    CHECK(relative_error(loss, want.loss) < 1e-6);
    if (n > 1) CHECK(relative_error(dz, want.gradient) < 2 * kRounding<TestType>);
    args.loss = loss_only.view();
    args.dlogits = {};
    device.stream().submit(args);
    CHECK(loss_only.values == loss.values);
    args.dlogits = z.view();
    device.stream().submit(args);
    CHECK((bytes_of(z) == bytes_of(dz)));
  }
}

TEMPLATE_TEST_CASE("cross-entropy with smoothed labels and a z-loss", "[unit][kernels]", float,
                   bf16) {
  for (const float smoothing : {0.0f, 0.25f})
    for (const std::int64_t n : {1, 17, 1031, 5003}) {
      CAPTURE(smoothing, n);
      auto z = random_array<TestType>({70, n}, 1, -20, 20);
      auto targets = targets_of(70, n);
      Array<TestType> dz(z.shape, TestType(9.0f));
      Array<float> loss({70}), loss_only({70});
      Device device;
      CrossEntropy args{.logits = z.view(),
                        .targets = targets.view(),
                        .loss = loss.view(),
                        .dlogits = dz.view(),
                        .scale = 0.125f,
                        .label_smoothing = smoothing,
                        .z_loss = 0.0625f};
      device.stream().submit(args);
      const Reference want = exact(z, targets, 0.125, static_cast<double>(smoothing), 0.0625);
      CHECK(relative_error(loss, want.loss) < 1e-6);
      CHECK(relative_error(dz, want.gradient) < 2 * kRounding<TestType>);
      args.loss = loss_only.view(), args.dlogits = {};
      device.stream().submit(args);
      CHECK(loss_only.values == loss.values);
      args.dlogits = z.view();
      device.stream().submit(args);
      CHECK((bytes_of(z) == bytes_of(dz)));
    }
}

TEST_CASE("cross-entropy is stable for large, masked and wrong logits", "[unit][kernels]") {
  Array<float> z({4, 20}, 1e30f), dz({4, 20}), loss({4});
  Array<std::int32_t> targets({4}, 2);
  for (std::int64_t c = 0; c < 20; ++c) {
    z[20 + c] = c == 2 ? 5.0f : -INFINITY;
    z[40 + c] = c == 19 ? NAN : 0.0f;
    z[60 + c] = -1e30f;
  }
  Device device;
  device.stream().submit(CrossEntropy{
      .logits = z.view(), .targets = targets.view(), .loss = loss.view(), .dlogits = dz.view()});
  CHECK(loss.at(0) == Approx(std::log(20.0)));
  CHECK(loss.at(1) == 0.0);
  CHECK(dz.at(22) == 0.0);
  CHECK(std::isnan(loss.at(2)));
  CHECK(loss.at(3) == Approx(std::log(20.0)));
  CHECK(dz.at(62) == Approx(0.05 - 1.0));
}

// Rows may be further apart than they are long, and what lies between them stays as it is.
TEMPLATE_TEST_CASE("cross-entropy takes rows with gaps", "[unit][kernels]", float, bf16) {
  constexpr std::int64_t kRows = 11, kN = 101, kStride = 128;
  auto z = random_array<TestType>({kRows, kN}, 1, -20, 20);
  auto targets = targets_of(kRows, kN);
  Array<TestType> dz(z.shape), wide({kRows, kStride}, TestType(9.0f));
  for (std::int64_t i = 0; i < z.size(); ++i) wide[i / kN * kStride + i % kN] = z[i];
  Array<float> loss({kRows}), wide_loss({kRows});
  TensorView rows = wide.view();
  rows.shape[1] = kN;
  Device device;
  device.stream().submit(CrossEntropy{
      .logits = z.view(), .targets = targets.view(), .loss = loss.view(), .dlogits = dz.view()});
  device.stream().submit(CrossEntropy{
      .logits = rows, .targets = targets.view(), .loss = wide_loss.view(), .dlogits = rows});
  CHECK(wide_loss.values == loss.values);
  for (std::int64_t i = 0; i < wide.size(); ++i) {
    const std::int64_t row = i / kStride, c = i % kStride;
    REQUIRE(wide.at(i) == (c < kN ? dz.at(row * kN + c) : 9.0));
  }
}

TEMPLATE_TEST_CASE("a target outside the vocabulary gives NaN", "[unit][kernels]", float, bf16) {
  auto z = random_array<TestType>({4, 37}, 1);
  Array<TestType> dz(z.shape);
  Array<float> loss({4});
  Array<std::int32_t> targets({4});
  targets.values = {37, -1, -2, 2147483647};
  Device device;
  device.stream().submit(CrossEntropy{
      .logits = z.view(), .targets = targets.view(), .loss = loss.view(), .dlogits = dz.view()});
  for (std::int64_t i = 0; i < dz.size(); ++i) {
    const bool ignored = i / 37 == 1;
    REQUIRE(std::isnan(loss.at(i / 37)) == !ignored);
    REQUIRE((ignored ? dz.at(i) == 0.0 : std::isnan(dz.at(i))));
  }
}

TEMPLATE_TEST_CASE("cross-entropy gives the same bits everywhere", "[unit][kernels]", float, bf16) {
  for (const std::int64_t n : {97, 5003})
    check_same_bits([n](Stream& stream) {
      auto z = random_array<TestType>({40, n}, 1, -9, 9);
      auto targets = targets_of(40, n);
      Array<TestType> dz(z.shape);
      Array<float> loss({40});
      stream.submit(CrossEntropy{.logits = z.view(),
                                 .targets = targets.view(),
                                 .loss = loss.view(),
                                 .dlogits = dz.view(),
                                 .scale = 0.1f});
      Array<TestType> more_dz(z.shape);
      Array<float> more_loss({40});
      stream.submit(CrossEntropy{.logits = z.view(),
                                 .targets = targets.view(),
                                 .loss = more_loss.view(),
                                 .dlogits = more_dz.view(),
                                 .scale = 0.1f,
                                 .label_smoothing = 0.1f,
                                 .z_loss = 0.01f});
      return bytes_of(loss, dz, more_loss, more_dz);
    });
}

}  // namespace
}  // namespace gigatrain::kernels
