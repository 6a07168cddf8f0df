// The GPU's losses over elements on the host SIMT machine, beside the CPU's.
#include "kernels/pointwise_loss.h"

#include "simt/compare.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

constexpr PointwiseTerm kTerms[] = {PointwiseTerm::mse, PointwiseTerm::huber, PointwiseTerm::bce};

// n elements that start `first` elements into their memory.
template <class T, class U>
Outputs losses(Stream& stream, PointwiseTerm term, std::int64_t n, std::int64_t first) {
  auto x = random_array<T>({first + n}, 1, -6, 6);
  auto target = random_array<U>({first + n}, 2, 0, 1);
  Array<T> dx({first + n}, T(9.0f));
  Array<float> loss({1}), alone({1});
  const auto from = [&](auto& array) {
    TensorView view = array.view();
    view.data = array.values.data() + first, view.shape = {n};
    return view;
  };
  PointwiseLoss args{.x = from(x),
                     .target = from(target),
                     .loss = alone.view(),
                     .term = term,
                     .parameter = 0.75f,
                     .scale = 0.25};
  stream.submit(args);
  args.loss = loss.view(), args.dx = from(dx);
  stream.submit(args);
  CHECK(loss.values == alone.values);
  return {values_of(loss), values_of(dx)};
}

template <class T, class U>
void check(PointwiseTerm term, std::int64_t n) {
  CAPTURE(static_cast<int>(term), n);
  for (const std::int64_t first : {0, 3})
    compare_with_cpu([&](Stream& stream) { return losses<T, U>(stream, term, n, first); },
                     sizeof(T) == 2 ? kRounding<T> : 1e-6);
}

TEST_CASE("simt: losses over elements", "[simt]") {
  for (const PointwiseTerm term : kTerms)
    for (const std::int64_t n : {0, 1, 9, 4096, 5003}) {
      check<float, float>(term, n);
      check<bf16, float>(term, n);
      check<bf16, bf16>(term, n);
    }
}

TEST_CASE("simt: how a loss's elements are read does not change its bits", "[simt]") {
  const auto device = simt_device();
  auto x = random_array<float>({5004}, 1), target = random_array<float>({5004}, 2);
  const auto loss_of = [&](std::int64_t first) {  // of the same 5000 numbers, wherever they lie
    Array<float> at({first + 5000}), to({first + 5000}), loss({1});
    std::copy_n(x.values.begin(), 5000, at.values.begin() + first);
    std::copy_n(target.values.begin(), 5000, to.values.begin() + first);
    TensorView a = at.view(), b = to.view();
    a.data = &at[first], b.data = &to[first], a.shape = b.shape = {5000};
    device->stream().submit(PointwiseLoss{.x = a, .target = b, .loss = loss.view()});
    return loss[0];
  };
  CHECK(loss_of(0) == loss_of(1));
}

TEST_CASE("simt: a loss of no number, or of no probability, is NaN", "[simt]") {
  const auto device = simt_device();
  for (const PointwiseTerm term : kTerms)
    for (const float bad : {NAN, 1.5f}) {
      Array<float> x({40}, 0.5f), target({40}, 0.5f), dx({40}), loss({1});
      target[33] = bad;
      device->stream().submit(PointwiseLoss{.x = x.view(),
                                            .target = target.view(),
                                            .loss = loss.view(),
                                            .dx = dx.view(),
                                            .term = term});
      const bool expected = std::isnan(bad) || term == PointwiseTerm::bce;
      CHECK(std::isnan(loss.at(0)) == expected);
      CHECK(std::isnan(dx.at(33)) == expected);
      CHECK(std::isfinite(dx.at(32)));
    }
}

}  // namespace
}  // namespace gigatrain::kernels
