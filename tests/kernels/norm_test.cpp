// Layer and RMS normalisation against their formulas in f64, fused and not, and the same bits
// everywhere.
#include "kernels/norm.h"

#include "kernels/norm_case.h"

namespace gigatrain::kernels {
namespace {

using namespace testing;

constexpr double kEps = 1e-5;

struct Reference {
  std::vector<double> y, xhat, mean, rstd;
};

template <class T>
Reference normalised(const Array<T>& s, const Array<float>& w, const Array<float>& b) {
  const std::int64_t n = s.shape[-1], rows = s.size() / n;
  Reference r;
  for (std::int64_t row = 0; row < rows; ++row) {
    double mean = 0.0, variance = 0.0;
    for (std::int64_t c = 0; c < n; ++c) mean += s.at(row * n + c) / static_cast<double>(n);
    for (std::int64_t c = 0; c < n; ++c)
      variance += std::pow(s.at(row * n + c) - mean, 2) / static_cast<double>(n);
    r.mean.push_back(mean);
    r.rstd.push_back(1.0 / std::sqrt(variance + kEps));
    for (std::int64_t c = 0; c < n; ++c) {
      r.xhat.push_back((s.at(row * n + c) - mean) * r.rstd.back());
      r.y.push_back(r.xhat.back() * w.at(c) + b.at(c));
    }
  }
  return r;
}

template <class T>
struct Case : NormCase<T> {
  using NormCase<T>::NormCase;
  void forward(Stream& stream) { stream.submit(this->forward_args()); }
  void backward(Stream& stream, bool accumulate) {
    LayerNormBackward args = this->backward_args();
    args.accumulate = accumulate;
    stream.submit(args);
  }
  bool kept(std::int64_t row, std::int64_t c) const {
    const std::int64_t e = (row % this->dropout.rows_per_sample) * this->columns[0] + c;
    const auto sample = 3 + static_cast<std::uint32_t>(row / this->dropout.rows_per_sample);
    const auto block = philox_block(this->dropout.key, static_cast<std::uint64_t>(e), sample, 9);
    return to_uniform(block[static_cast<std::size_t>(e % 4)]) >= this->dropout.rate;
  }
};

template <class T>
void check_forward(std::int64_t rows, std::int64_t n, float rate) {
  CAPTURE(rows, n, rate);
  Case<T> k(rows, n, rate);
  Device device;
  k.forward(device.stream());
  std::vector<double> sum;
  for (std::int64_t i = 0; i < k.x.size(); ++i) {
    const double factor = rate == 0 ? 1.0 : k.kept(i / n, i % n) ? 1.0 / (1.0 - rate) : 0.0;
    sum.push_back(k.x.at(i) + k.delta.at(i) * factor);
  }
  CHECK(relative_error(k.sum, sum) < kRounding<T>);
  const Reference r = normalised(k.sum, k.weight, k.bias);
  CHECK(relative_error(k.y, r.y) < 2 * kRounding<T>);
  CHECK(relative_error(k.mean, r.mean) < 1e-6);
  CHECK(relative_error(k.rstd, r.rstd) < 1e-6);
}

template <class T>
void check_backward(std::int64_t rows, std::int64_t n, float rate) {
  CAPTURE(rows, n, rate);
  Case<T> k(rows, n, rate);
  Device device;
  k.forward(device.stream());
  k.backward(device.stream(), true);
  const Reference r = normalised(k.sum, k.weight, k.bias);
  std::vector<double> ds, dd, dw(static_cast<std::size_t>(n), 0.5), db(dw.size(), 0.25);
  for (std::int64_t row = 0; row < rows; ++row) {
    double mean_g = 0.0, mean_gx = 0.0;
    for (std::int64_t c = 0; c < n; ++c) {
      const std::int64_t i = row * n + c;
      const double d = k.dy.at(i), xhat = r.xhat[static_cast<std::size_t>(i)];
      mean_g += d * k.weight.at(c) / static_cast<double>(n);
      mean_gx += d * k.weight.at(c) * xhat / static_cast<double>(n);
      dw[static_cast<std::size_t>(c)] += d * xhat;
      db[static_cast<std::size_t>(c)] += d;
    }
    for (std::int64_t c = 0; c < n; ++c) {
      const std::int64_t i = row * n + c;
      const double xhat = r.xhat[static_cast<std::size_t>(i)];
      ds.push_back(k.dresidual.at(i) + r.rstd[static_cast<std::size_t>(row)] *
                                           (k.dy.at(i) * k.weight.at(c) - mean_g - xhat * mean_gx));
      dd.push_back(k.kept(row, c) ? k.dsum.at(i) / (1.0 - rate) : 0.0);
    }
  }
  CHECK(relative_error(k.dsum, ds) < 2 * kRounding<T>);
  CHECK(relative_error(k.dweight, dw) < 2e-6);
  CHECK(relative_error(k.dbias, db) < 2e-6);
  if (rate > 0) CHECK(relative_error(k.ddelta, dd) < 2 * kRounding<T>);
}

TEMPLATE_TEST_CASE("layer norm follows its formulas", "[unit][kernels]", float, bf16) {
  for (const float rate : {0.0f, 0.3f})
    for (const std::int64_t n : {1, 5, 16, 37, 128, 771}) {
      check_forward<TestType>(67, n, rate);
      if (n > 1) check_backward<TestType>(67, n, rate);
    }
}

struct RmsReference {
  std::vector<double> y, rstd, ds, dw;
};

// y = s rstd w, ds = dresidual + rstd (g - xhat mean(g xhat)), g = dy w
template <class T>
RmsReference rms_norm(const NormCase<T>& k, double eps) {
  const std::int64_t rows = k.shape[0], n = k.shape[1];
  const double count = static_cast<double>(n);
  RmsReference r{
      .y = {}, .rstd = {}, .ds = {}, .dw = std::vector<double>(static_cast<std::size_t>(n), 0.5)};
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto s = [&](std::int64_t c) { return k.sum.at(row * n + c); };
    const auto g = [&](std::int64_t c) { return k.dy.at(row * n + c) * k.weight.at(c); };
    double squares = 0.0, gx = 0.0;
    for (std::int64_t c = 0; c < n; ++c) squares += s(c) * s(c) / count;
    const double rstd = 1.0 / std::sqrt(squares + eps);
    for (std::int64_t c = 0; c < n; ++c) gx += g(c) * s(c) * rstd / count;
    for (std::int64_t c = 0; c < n; ++c) {
      const double xhat = s(c) * rstd;
      r.y.push_back(xhat * k.weight.at(c));
      r.ds.push_back(k.dresidual.at(row * n + c) + rstd * (g(c) - xhat * gx));
      r.dw[static_cast<std::size_t>(c)] += k.dy.at(row * n + c) * xhat;
    }
    r.rstd.push_back(rstd);
  }
  return r;
}

// Hugging Face's LlamaRMSNorm, in f64.
TEMPLATE_TEST_CASE("rms norm follows its formulas", "[unit][kernels]", float, bf16) {
  for (const float rate : {0.0f, 0.3f})
    for (const std::int64_t n : {1, 5, 16, 37, 128, 771}) {
      CAPTURE(rate, n);
      Case<TestType> k(67, n, rate);
      Device device;
      device.stream().submit(k.rms_forward_args());
      device.stream().submit(k.rms_backward_args());
      const RmsReference want = rms_norm(k, kEps);
      CHECK(relative_error(k.y, want.y) < kRounding<TestType>);
      CHECK(relative_error(k.rstd, want.rstd) < 1e-6);
      CHECK(relative_error(k.dsum, want.ds) < kRounding<TestType> + 1e-7);
      CHECK(relative_error(k.dweight, want.dw) < 2e-6);
    }
}

TEST_CASE("layer norm without delta, bias and parameter gradients", "[unit][kernels]") {
  Case<float> k(6, 20, 0.0f), plain(6, 20, 0.0f);
  Device device;
  k.delta = Array<float>(k.shape);
  k.bias = Array<float>(k.columns);
  k.forward(device.stream());
  device.stream().submit(LayerNormForward{.x = k.x.view(),
                                          .weight = k.weight.view(),
                                          .y = plain.y.view(),
                                          .mean = plain.mean.view(),
                                          .rstd = plain.rstd.view()});
  CHECK(plain.y.values == k.y.values);
  k.dresidual = Array<float>(k.shape);
  k.backward(device.stream(), false);
  device.stream().submit(LayerNormBackward{.s = k.x.view(),
                                           .weight = k.weight.view(),
                                           .mean = k.mean.view(),
                                           .rstd = k.rstd.view(),
                                           .dy = k.dy.view(),
                                           .dsum = k.dy.view()});
  CHECK(k.dy.values == k.dsum.values);
}

TEMPLATE_TEST_CASE("layer norm gives the same bits everywhere", "[unit][kernels]", float, bf16) {
  for (const std::int64_t n : {7, 64, 333})
    check_same_bits([n](Stream& stream) {
      Case<TestType> k(150, n, 0.2f);
      k.forward(stream);
      k.backward(stream, true);
      return bytes_of(k.sum, k.y, k.mean, k.rstd, k.dsum, k.ddelta, k.dweight, k.dbias);
    });
}

}  // namespace
}  // namespace gigatrain::kernels
