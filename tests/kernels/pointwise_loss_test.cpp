// Losses that are sums over elements, and their gradients, against f64.
#include "kernels/pointwise_loss.h"

#include "kernels/same_bits.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

constexpr PointwiseTerm kTerms[] = {PointwiseTerm::mse, PointwiseTerm::huber, PointwiseTerm::bce};

struct Exact {
  double value, slope;
};

Exact exact(PointwiseTerm term, double p, double x, double t) {
  const double e = x - t, size = std::abs(e), sigmoid = 1.0 / (1.0 + std::exp(-x));
  if (term == PointwiseTerm::mse) return {e * e, 2.0 * e};
  if (term == PointwiseTerm::huber)
    return size <= p ? Exact{0.5 * e * e, e} : Exact{p * (size - 0.5 * p), e < 0 ? -p : p};
  const double tail = std::log1p(std::exp(-std::abs(x)));
  return {(1 - t) * (std::max(x, 0.0) + tail) + p * t * (std::max(-x, 0.0) + tail),
          (1 - t) * sigmoid - p * t * (1.0 - sigmoid)};
}

template <class U>
Array<U> targets_of(PointwiseTerm term, std::int64_t n) {
  auto t = random_array<U>({n}, 2);
  if (term != PointwiseTerm::bce) return t;
  for (std::int64_t i = 0; i < n; ++i)  // hard ones among the soft
    t[i] = U(t.at(i) > 1 ? 1.0f : t.at(i) < -1 ? 0.0f : static_cast<float>(t.at(i)) / 4 + 0.5f);
  return t;
}

template <class T, class U>
void check_value(PointwiseTerm term, std::int64_t n) {
  CAPTURE(static_cast<int>(term), n);
  auto x = random_array<T>({n}, 1, -6, 6);
  auto target = targets_of<U>(term, n);
  Array<T> dx({n}, T(9.0f));
  Array<float> loss({1}), alone({1});
  Device device({.threads = 2});
  PointwiseLoss args{.x = x.view(),
                     .target = target.view(),
                     .loss = loss.view(),
                     .dx = dx.view(),
                     .term = term,
                     .parameter = 0.75f,
                     .scale = 0.25};
  device.stream().submit(args);
  double sum = 0.0;
  std::vector<double> slopes;
  for (std::int64_t i = 0; i < n; ++i) {
    const Exact e = exact(term, 0.75, x.at(i), target.at(i));
    sum += e.value, slopes.push_back(e.slope * 0.25);
  }
  CHECK(loss.at(0) == Approx(sum * 0.25).epsilon(1e-6));
  CHECK(relative_error(dx, slopes) < 2 * kRounding<T>);
  args.loss = alone.view(), args.dx = {};
  device.stream().submit(args);
  CHECK(alone.values == loss.values);
}

TEST_CASE("losses over elements follow their formulas", "[unit][kernels]") {
  for (const PointwiseTerm term : kTerms)
    for (const std::int64_t n : {1, 15, 4096, 10007}) {
      check_value<float, float>(term, n);
      check_value<bf16, float>(term, n);
      check_value<bf16, bf16>(term, n);
    }
}

// log(1 + e) of a small e must not be log(1).
TEST_CASE("confident logits keep their tiny losses, and huge ones do not overflow",
          "[unit][kernels]") {
  Array<float> x({4}), target({4}), dx({4}), loss({1});
  Device device({.threads = 1});
  const auto loss_of = [&](float logit, float t) {
    std::fill(x.values.begin(), x.values.end(), logit);
    std::fill(target.values.begin(), target.values.end(), t);
    device.stream().submit(PointwiseLoss{.x = x.view(),
                                         .target = target.view(),
                                         .loss = loss.view(),
                                         .dx = dx.view(),
                                         .term = PointwiseTerm::bce,
                                         .scale = 0.25});
    return loss.at(0);
  };
  CHECK(loss_of(20.0f, 1.0f) == Approx(std::log1p(std::exp(-20.0))).epsilon(1e-5));
  CHECK(dx.at(0) == Approx(-0.25 * std::exp(-20.0) / (1 + std::exp(-20.0))).epsilon(1e-5));
  CHECK(loss_of(-20.0f, 0.0f) == Approx(std::log1p(std::exp(-20.0))).epsilon(1e-5));
  CHECK(loss_of(1e30f, 0.0f) == Approx(1e30));
  CHECK(dx.at(0) == 0.25);
  CHECK(loss_of(-1e30f, 1.0f) == Approx(1e30));
  CHECK(dx.at(0) == -0.25);
}

TEST_CASE("what is no number, or no probability, gives NaN", "[unit][kernels]") {
  Device device({.threads = 1});
  for (const PointwiseTerm term : kTerms)
    for (const bool bad_target : {false, true}) {
      if (bad_target && term != PointwiseTerm::bce) continue;
      CAPTURE(static_cast<int>(term), bad_target);
      Array<float> x({40}, 0.5f), target({40}, 0.5f), dx({40}), loss({1});
      if (bad_target)
        target[33] = 1.5f;
      else
        x[33] = NAN;
      device.stream().submit(PointwiseLoss{.x = x.view(),
                                           .target = target.view(),
                                           .loss = loss.view(),
                                           .dx = dx.view(),
                                           .term = term});
      CHECK(std::isnan(loss.at(0)));
      for (std::int64_t i = 0; i < 40; ++i) REQUIRE(std::isnan(dx.at(i)) == (i == 33));
    }
}

TEMPLATE_TEST_CASE("losses over elements give the same bits everywhere", "[unit][kernels]", float,
                   bf16) {
  for (const PointwiseTerm term : kTerms)
    check_same_bits([term](Stream& stream) {
      auto x = random_array<TestType>({9001}, 1, -9, 9);
      auto target = targets_of<float>(term, 9001);
      Array<TestType> dx({9001});
      Array<float> loss({1});
      stream.submit(PointwiseLoss{.x = x.view(),
                                  .target = target.view(),
                                  .loss = loss.view(),
                                  .dx = dx.view(),
                                  .term = term,
                                  .parameter = 1.5f,
                                  .scale = 0.1});
      return bytes_of(loss, dx);
    });
}

}  // namespace
}  // namespace gigatrain::kernels
