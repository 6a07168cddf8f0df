// The GPU's functions of one input and their derivatives on the host SIMT machine, beside the
// CPU's.

#include "kernels/elementwise.h"
#include "simt/compare.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

template <class T>
constexpr double kTolerance = 2 * kRounding<T>;

template <class Args, class T>
Values unary_of(Stream& stream, Array<T>& x) {
  Array<T> y(x.shape);
  stream.submit(Args{.x = x.view(), .y = y.view()});
  return values_of(y);
}
template <class Args, class T>
Values derivative_of(Stream& stream, Array<T>& dy, Array<T>& kept) {
  Array<T> dx(dy.shape);
  stream.submit(Args{.a = dy.view(), .b = kept.view(), .y = dx.view()});
  return values_of(dx);
}

TEMPLATE_TEST_CASE("simt: functions of one input", "[simt]", float, bf16, double) {
  for (const std::int64_t n : {0, 1, 8, 1031, 4096}) {
    CAPTURE(n);
    auto x = random_array<TestType>({n}, 1, 0.05f, 4.0f);
    auto any = random_array<TestType>({n}, 2, -20.0f, 20.0f);
    compare_with_cpu(
        [&](Stream& stream) {
          return Outputs{unary_of<Exp>(stream, x),    unary_of<Log>(stream, x),
                         unary_of<Tanh>(stream, x),   unary_of<Sqrt>(stream, x),
                         unary_of<Rsqrt>(stream, x),  unary_of<Sigmoid>(stream, any),
                         unary_of<Silu>(stream, any), unary_of<Relu>(stream, any),
                         unary_of<Abs>(stream, any)};
        },
        kTolerance<TestType>);
  }
}

TEMPLATE_TEST_CASE("simt: derivatives of functions of one input", "[simt]", float, bf16, double) {
  for (const std::int64_t n : {1, 8, 1031}) {
    CAPTURE(n);
    auto dy = random_array<TestType>({n}, 1), kept = random_array<TestType>({n}, 2, 0.1f, 0.9f);
    auto any = random_array<TestType>({n}, 3, -20.0f, 20.0f);
    any[n / 2] = TestType(0.0f);
    compare_with_cpu(
        [&](Stream& stream) {
          return Outputs{derivative_of<TanhBackward>(stream, dy, kept),
                         derivative_of<SqrtBackward>(stream, dy, kept),
                         derivative_of<RsqrtBackward>(stream, dy, kept),
                         derivative_of<SigmoidBackward>(stream, dy, kept),
                         derivative_of<SiluBackward>(stream, dy, any),
                         derivative_of<ReluBackward>(stream, dy, any),
                         derivative_of<AbsBackward>(stream, dy, any)};
        },
        kTolerance<TestType>);
  }
}

TEMPLATE_TEST_CASE("simt: powers", "[simt]", float, bf16, double) {
  auto positive = random_array<TestType>({517}, 1, 0.3f, 3.0f);
  auto any = random_array<TestType>({517}, 2, -3.0f, 3.0f);
  any[3] = TestType(0.0f);
  for (const double exponent : {0.0, 1.0, 2.0, 7.0, 2.5, -0.3}) {
    CAPTURE(exponent);
    auto& x = exponent == 2.5 || exponent < 0 ? positive : any;
    compare_with_cpu(
        [&](Stream& stream) {
          Array<TestType> y(x.shape);
          stream.submit(Pow{.x = x.view(), .y = y.view(), .exponent = exponent});
          return Outputs{values_of(y)};
        },
        2 * kTolerance<TestType>);
  }
}

// NaN, infinities, zeros and the ends of f32's range: the same on the GPU as on the CPU.
TEMPLATE_TEST_CASE("simt: functions of special values", "[simt]", float, double) {
  using T = TestType;
  const T inf = std::numeric_limits<T>::infinity();
  Array<T> x({9}), ones({9}, T(1));
  x.values = {
      std::numeric_limits<T>::quiet_NaN(), inf, -inf, T(0), T(-0.0), T(-1), T(1e4), T(-1e4), T(2)};
  const auto results = [&](Stream& stream) {
    Outputs out{unary_of<Sqrt>(stream, x),
                unary_of<Sigmoid>(stream, x),
                unary_of<Silu>(stream, x),
                unary_of<Relu>(stream, x),
                unary_of<Abs>(stream, x),
                derivative_of<SiluBackward>(stream, ones, x),
                derivative_of<ReluBackward>(stream, ones, x),
                derivative_of<AbsBackward>(stream, ones, x)};
    for (const double exponent : {3.0, -3.0, 0.5, -0.5, 0.0}) {
      Array<T> y(x.shape);
      stream.submit(Pow{.x = x.view(), .y = y.view(), .exponent = exponent});
      out.push_back(values_of(y));
    }
    return out;
  };
  Device cpu({.threads = 1});
  const auto device = simt_device();
  const Outputs want = results(cpu.stream()), got = results(device->stream());
  for (std::size_t o = 0; o < want.size(); ++o)
    for (std::size_t i = 0; i < 9; ++i) {
      CAPTURE(o, i, got[o][i], want[o][i]);
      const bool both_nan = std::isnan(got[o][i]) && std::isnan(want[o][i]);
      CHECK((both_nan || got[o][i] == want[o][i] || got[o][i] == Approx(want[o][i])));
    }
}

}  // namespace
}  // namespace gigatrain::kernels
