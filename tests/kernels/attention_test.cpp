// Attention: value against f64, gradients against central differences of the f64 value, and the
// same bits for any thread count and class of vector code.
#include "kernels/attention.h"

#include <algorithm>

#include "gigatrain/base/error.h"
#include "gigatrain/ops/ops.h"
#include "same_bits.h"

using namespace gigatrain;
using namespace gigatrain::kernels;
using namespace gigatrain::kernels::testing;

namespace {

struct Sizes {
  std::int64_t b, tq, tk, h, h_kv, d;
  bool causal = true;
  Shape q() const { return {b, tq, h, d}; }
  Shape k() const { return {b, tk, h_kv, d}; }
};

const std::vector<Sizes> kSizes = {
    {1, 1, 1, 1, 1, 1},          {2, 7, 7, 2, 2, 13},    {1, 33, 33, 2, 1, 7},
    {1, 129, 129, 1, 1, 32},     {1, 13, 150, 4, 2, 33}, {2, 70, 200, 2, 2, 64, false},
    {1, 130, 131, 1, 1, 128},    {1, 1, 300, 2, 1, 64},  {1, 150, 40, 1, 1, 5, false},
    {1, 300, 300, 3, 3, 16},     {1, 20, 20, 1, 1, 256}, {1, 23, 12, 2, 1, 23, false},
    {1, 12, 23, 1, 1, 12, false}};

constexpr float kScale = 0.3f;

// One (query, head) row in f64: out += P V; returns log sum exp.
double row(const Sizes& s, const std::vector<double>& q, const std::vector<double>& k,
           const std::vector<double>& v, std::int64_t b, std::int64_t t, std::int64_t h,
           double* out) {
  const std::int64_t h_kv = h / (s.h / s.h_kv), end = s.causal ? t + s.tk - s.tq + 1 : s.tk;
  std::vector<double> score;
  double sum = 0.0;
  for (std::int64_t j = 0; j < end; ++j) {
    double dot = 0.0;
    for (std::int64_t i = 0; i < s.d; ++i)
      dot += q[static_cast<std::size_t>(((b * s.tq + t) * s.h + h) * s.d + i)] *
             k[static_cast<std::size_t>(((b * s.tk + j) * s.h_kv + h_kv) * s.d + i)];
    score.push_back(std::exp(static_cast<double>(kScale) * dot));
    sum += score.back();
  }
  for (std::int64_t j = 0; j < end; ++j)
    for (std::int64_t i = 0; i < s.d; ++i)
      out[i] += score[static_cast<std::size_t>(j)] / sum *
                v[static_cast<std::size_t>(((b * s.tk + j) * s.h_kv + h_kv) * s.d + i)];
  return std::log(sum);
}

struct Result {
  std::vector<double> out, lse;
};

Result naive(const Sizes& s, const std::vector<double>& q, const std::vector<double>& k,
             const std::vector<double>& v) {
  Result r{std::vector<double>(q.size()), {}};
  r.lse.resize(static_cast<std::size_t>(s.b * s.h * s.tq));
  for (std::int64_t b = 0; b < s.b; ++b)
    for (std::int64_t t = 0; t < s.tq; ++t)
      for (std::int64_t h = 0; h < s.h; ++h)
        r.lse[static_cast<std::size_t>((b * s.h + h) * s.tq + t)] =
            row(s, q, k, v, b, t, h,
                &r.out[static_cast<std::size_t>(((b * s.tq + t) * s.h + h) * s.d)]);
  return r;
}

template <class T>
std::vector<double> wide(const Array<T>& a) {
  std::vector<double> w;
  for (std::int64_t i = 0; i < a.size(); ++i) w.push_back(a.at(i));
  return w;
}

template <class T>
struct Run {
  Array<T> q, k, v, dout, out, dq, dk, dv;
  Array<float> lse;
  TensorView mask{}, segments{};

  explicit Run(const Sizes& s)
      : q(random_array<T>(s.q(), 1, -0.7f, 0.7f)),
        k(random_array<T>(s.k(), 2)),
        v(random_array<T>(s.k(), 3)),
        dout(random_array<T>(s.q(), 4)),
        out(s.q(), T(9.0f)),
        dq(s.q(), T(9.0f)),
        dk(s.k(), T(9.0f)),
        dv(s.k(), T(9.0f)),
        lse({s.b, s.h, s.tq}, 9.0f) {}

  void forward(Stream& stream, const Sizes& s, const std::int64_t* offsets = nullptr,
               std::int64_t sequences = 0) {
    stream.submit(AttentionForward{.q = q.view(),
                                   .k = k.view(),
                                   .v = v.view(),
                                   .out = out.view(),
                                   .lse = lse.view(),
                                   .scale = kScale,
                                   .causal = s.causal,
                                   .offsets = offsets,
                                   .sequences = sequences,
                                   .mask = mask,
                                   .segments = segments});
  }
  void backward(Stream& stream, const Sizes& s, const std::int64_t* offsets = nullptr,
                std::int64_t sequences = 0) {
    stream.submit(AttentionBackward{.q = q.view(),
                                    .k = k.view(),
                                    .v = v.view(),
                                    .out = out.view(),
                                    .lse = lse.view(),
                                    .dout = dout.view(),
                                    .dq = dq.view(),
                                    .dk = dk.view(),
                                    .dv = dv.view(),
                                    .scale = kScale,
                                    .causal = s.causal,
                                    .offsets = offsets,
                                    .sequences = sequences,
                                    .mask = mask,
                                    .segments = segments});
  }
};

// The gradients in f64, from the formula with the whole matrix P; central differences check it.
struct Gradients {
  std::vector<double> dq, dk, dv;
};

Gradients naive_backward(const Sizes& s, const std::vector<double>& q, const std::vector<double>& k,
                         const std::vector<double>& v, const std::vector<double>& dout) {
  const Result r = naive(s, q, k, v);
  Gradients g{std::vector<double>(q.size()), std::vector<double>(k.size()),
              std::vector<double>(k.size())};
  const auto at = [&](std::int64_t b, std::int64_t t, std::int64_t h, bool key) {
    return static_cast<std::size_t>(key ? ((b * s.tk + t) * s.h_kv + h) * s.d
                                        : ((b * s.tq + t) * s.h + h) * s.d);
  };
  const auto n = static_cast<std::size_t>(s.d);
  for (std::int64_t b = 0; b < s.b; ++b)
    for (std::int64_t h = 0; h < s.h; ++h)
      for (std::int64_t t = 0; t < s.tq; ++t) {
        const std::size_t x = at(b, t, h, false);
        double delta = 0.0;
        for (std::size_t i = 0; i < n; ++i) delta += dout[x + i] * r.out[x + i];
        const std::int64_t end = s.causal ? t + s.tk - s.tq + 1 : s.tk;
        for (std::int64_t j = 0; j < end; ++j) {
          const std::size_t y = at(b, j, h / (s.h / s.h_kv), true);
          double score = 0.0, dp = 0.0;
          for (std::size_t i = 0; i < n; ++i)
            score += q[x + i] * k[y + i], dp += dout[x + i] * v[y + i];
          const double lse = r.lse[static_cast<std::size_t>((b * s.h + h) * s.tq + t)];
          const double scale = static_cast<double>(kScale), p = std::exp(scale * score - lse);
          const double ds = scale * p * (dp - delta);
          for (std::size_t i = 0; i < n; ++i) {
            g.dv[y + i] += p * dout[x + i];
            g.dk[y + i] += ds * q[x + i];
            g.dq[x + i] += ds * k[y + i];
          }
        }
      }
  return g;
}

double loss(const Sizes& s, const std::vector<double>& q, const std::vector<double>& k,
            const std::vector<double>& v, const std::vector<double>& dout) {
  const auto out = naive(s, q, k, v).out;
  double sum = 0.0;
  for (std::size_t i = 0; i < out.size(); ++i) sum += out[i] * dout[i];
  return sum;
}

}  // namespace

TEST_CASE("the reference gradient is the central difference of the f64 value",
          "[unit][attention]") {
  const Sizes s{1, 5, 9, 4, 2, 3};
  Run<float> run(s);
  std::vector<double> x[3] = {wide(run.q), wide(run.k), wide(run.v)};
  const auto dout = wide(run.dout);
  const Gradients g = naive_backward(s, x[0], x[1], x[2], dout);
  const std::vector<double>* want[3] = {&g.dq, &g.dk, &g.dv};
  for (int which = 0; which < 3; ++which)
    for (std::size_t i = 0; i < x[which].size(); ++i) {
      const double h = 1e-5, saved = x[which][i];
      x[which][i] = saved + h;
      const double high = loss(s, x[0], x[1], x[2], dout);
      x[which][i] = saved - h;
      const double low = loss(s, x[0], x[1], x[2], dout);
      x[which][i] = saved;
      CAPTURE(which, i);
      REQUIRE((high - low) / (2 * h) == Approx((*want[which])[i]).margin(1e-8));
    }
}

namespace {

template <class T>
void check_value(const Sizes& s, double limit, Bf16Products products = Bf16Products::widened) {
  if (products > CpuFeatures::get().bf16) return;
  Device device({.threads = 2, .bf16 = products});
  Run<T> run(s);
  run.forward(device.stream(), s);
  const auto q = wide(run.q), k = wide(run.k), v = wide(run.v);
  const Result want = naive(s, q, k, v);
  CAPTURE(s.b, s.tq, s.tk, s.h, s.h_kv, s.d, s.causal);
  CHECK(relative_error(run.out, want.out) < limit);
  CHECK(relative_error(run.lse, want.lse) < 1e-6);
  run.backward(device.stream(), s);
  const Gradients g = naive_backward(s, q, k, v, wide(run.dout));
  if (s.tk > 1) {  // one key: P = 1 and dq = dk = 0, nothing to be relative to
    CHECK(relative_error(run.dq, g.dq) < limit);
    CHECK(relative_error(run.dk, g.dk) < limit);
  }
  CHECK(relative_error(run.dv, g.dv) < limit);
}

}  // namespace

TEST_CASE("attention and its gradients have the values of f64 arithmetic", "[unit][attention]") {
  for (const Sizes& s : kSizes) {
    check_value<float>(s, 1e-6);
    check_value<bf16>(s, 1e-2);
    check_value<bf16>(s, 1e-2, Bf16Products::avx512_bf16);
    check_value<bf16>(s, 1e-2, Bf16Products::amx);
  }
}

TEST_CASE("attention has the same bits for every class and thread count",
          "[unit][attention][threads]") {
  for (const Sizes& s : {Sizes{1, 140, 140, 2, 1, 20}, Sizes{2, 33, 70, 2, 2, 33, false}}) {
    check_same_bits([&](Stream& stream) {
      Run<float> run(s);
      Run<bf16> half(s);
      run.forward(stream, s), run.backward(stream, s);
      half.forward(stream, s), half.backward(stream, s);
      Bytes all = bytes_of(run.out, run.lse, run.dq, run.dk, run.dv);
      const Bytes more = bytes_of(half.out, half.lse, half.dq, half.dk, half.dv);
      all.insert(all.end(), more.begin(), more.end());
      return all;
    });
    check_same_bits_of_bf16([&](Stream& stream) {
      Run<bf16> run(s);
      run.forward(stream, s), run.backward(stream, s);
      return bytes_of(run.out, run.lse, run.dq, run.dk, run.dv);
    });
  }
}

TEST_CASE("masked attention has the same bits for every class and thread count",
          "[unit][attention][threads]") {
  const Sizes s{2, 140, 140, 2, 1, 20};
  auto bias = random_array<float>({s.b, s.h, s.tq, s.tk}, 8);
  auto segments = random_tokens({s.b, s.tk}, 9, 3);
  std::sort(segments.values.begin(), segments.values.begin() + s.tk);  // one row in order
  const auto results = [&](Stream& stream, auto run) {
    run.mask = bias.view(), run.segments = segments.view();
    run.forward(stream, s), run.backward(stream, s);
    return bytes_of(run.out, run.lse, run.dq, run.dk, run.dv);
  };
  check_same_bits([&](Stream& stream) { return results(stream, Run<float>(s)); });
  check_same_bits_of_bf16([&](Stream& stream) { return results(stream, Run<bf16>(s)); });
}

TEST_CASE("masked attention in the processor's bf16 has the values of f32", "[unit][attention]") {
  const Sizes s{2, 140, 140, 2, 1, 20};
  auto bias = random_array<float>({s.b, s.h, s.tq, s.tk}, 8);
  auto segments = random_tokens({s.b, s.tk}, 9, 3);
  const auto go = [&](auto& run, Bf16Products products) {
    Device device({.threads = 2, .bf16 = products});
    run.mask = bias.view(), run.segments = segments.view();
    run.forward(device.stream(), s), run.backward(device.stream(), s);
  };
  Run<bf16> half(s);
  Run<float> full(s);
  const auto copy = [](const Array<bf16>& from, Array<float>& to) {
    for (std::size_t i = 0; i < to.values.size(); ++i)
      to.values[i] = static_cast<float>(from.values[i]);
  };
  copy(half.q, full.q), copy(half.k, full.k), copy(half.v, full.v), copy(half.dout, full.dout);
  go(full, Bf16Products::widened);
  for (const auto products : {Bf16Products::avx512_bf16, Bf16Products::amx}) {
    if (products > CpuFeatures::get().bf16) continue;
    CAPTURE(name(products));
    go(half, products);
    CHECK(relative_error(half.out, wide(full.out)) < 1e-2);
    CHECK(relative_error(half.dq, wide(full.dq)) < 1e-2);
    CHECK(relative_error(half.dk, wide(full.dk)) < 1e-2);
    CHECK(relative_error(half.dv, wide(full.dv)) < 1e-2);
  }
}

TEST_CASE("q, k and v may be slices of one packed tensor, and so may their gradients",
          "[unit][attention]") {
  const Sizes s{2, 40, 40, 2, 2, 16};
  Device device({.threads = 2});
  Run<float> run(s);
  run.forward(device.stream(), s), run.backward(device.stream(), s);
  const std::int64_t width = s.h * s.d, rows = s.b * s.tq;
  Array<float> packed({s.b, s.tq, 3 * width}), gradient({s.b, s.tq, 3 * width});
  const Array<float>* parts[] = {&run.q, &run.k, &run.v};
  const Array<float>* wanted[] = {&run.dq, &run.dk, &run.dv};
  TensorView view[3], dview[3];
  for (int i = 0; i < 3; ++i) {
    for (std::int64_t r = 0; r < rows; ++r)
      std::memcpy(&packed[(r * 3 + i) * width],
                  &parts[i]->values[static_cast<std::size_t>(r * width)],
                  static_cast<std::size_t>(width) * sizeof(float));
    view[i] = TensorView(&packed[i * width], DType::f32, s.q());
    view[i].strides = {s.tq * 3 * width, 3 * width, s.d, 1, 0, 0};
    dview[i] = view[i];
    dview[i].data = &gradient[i * width];
  }
  Run<float> other(s);
  device.stream().submit(AttentionForward{.q = view[0],
                                          .k = view[1],
                                          .v = view[2],
                                          .out = other.out.view(),
                                          .lse = other.lse.view(),
                                          .scale = kScale});
  CHECK((bytes_of(other.out, other.lse) == bytes_of(run.out, run.lse)));
  device.stream().submit(AttentionBackward{.q = view[0],
                                           .k = view[1],
                                           .v = view[2],
                                           .out = run.out.view(),
                                           .lse = run.lse.view(),
                                           .dout = run.dout.view(),
                                           .dq = dview[0],
                                           .dk = dview[1],
                                           .dv = dview[2],
                                           .scale = kScale});
  for (int i = 0; i < 3; ++i)
    for (std::int64_t r = 0; r < rows; ++r)
      REQUIRE(std::memcmp(&gradient[(r * 3 + i) * width],
                          &wanted[i]->values[static_cast<std::size_t>(r * width)],
                          static_cast<std::size_t>(width) * sizeof(float)) == 0);
}

namespace {

// Rows [first, first + s.tq) of a run as arrays of their own.
template <class T>
void copy_rows(const Array<T>& from, std::int64_t first, Array<T>& to) {
  const auto* at = &from.values[static_cast<std::size_t>(first * (to.size() / to.shape[1]))];
  std::memcpy(to.values.data(), at, to.values.size() * sizeof(T));
}

template <class T>
void check_sequences(const Sizes& row, const std::vector<std::int64_t>& offsets, int threads) {
  CAPTURE(row.h, row.h_kv, row.d, row.causal, threads);
  Device device({.threads = threads});
  Run<T> all(row);
  all.lse = Array<float>({row.tq, row.h}, 9.0f);
  const auto count = static_cast<std::int64_t>(offsets.size()) - 1;
  all.forward(device.stream(), row, offsets.data(), count);
  all.backward(device.stream(), row, offsets.data(), count);
  for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
    Sizes s = row;
    s.tq = s.tk = offsets[i + 1] - offsets[i];
    if (s.tq == 0) continue;
    Run<T> alone(s), part(s);
    for (auto x : {&Run<T>::q, &Run<T>::k, &Run<T>::v, &Run<T>::dout})
      copy_rows(all.*x, offsets[i], alone.*x);
    for (auto x : {&Run<T>::out, &Run<T>::dq, &Run<T>::dk, &Run<T>::dv})
      copy_rows(all.*x, offsets[i], part.*x);
    alone.forward(device.stream(), s);
    alone.backward(device.stream(), s);
    CHECK((bytes_of(part.out, part.dq, part.dk, part.dv) ==
           bytes_of(alone.out, alone.dq, alone.dk, alone.dv)));
    for (std::int64_t t = 0; t < s.tq; ++t)
      for (std::int64_t h = 0; h < s.h; ++h)
        REQUIRE(all.lse[(offsets[i] + t) * s.h + h] == alone.lse[h * s.tq + t]);
  }
}

}  // namespace

TEST_CASE("a sequence among others of other lengths has the bits that it has alone",
          "[unit][attention][threads]") {
  const std::vector<std::int64_t> offsets{0, 70, 70, 71, 340, 353};
  for (const bool causal : {true, false})
    for (const int threads : {1, 3}) {
      check_sequences<float>({1, 353, 353, 2, 2, 20, causal}, offsets, threads);
      check_sequences<bf16>({1, 353, 353, 4, 2, 33, causal}, offsets, threads);
    }
  check_sequences<float>({1, 5, 5, 2, 1, 8}, {0, 5}, 1);
}

TEST_CASE("offsets that do not cut the rows into sequences are refused", "[unit][attention]") {
  Device device({.threads = 1});
  const auto message = [&](const Sizes& s, const std::vector<std::int64_t>& offsets) {
    Run<float> run(s);
    try {
      run.lse = Array<float>({s.tq, s.h});
      run.forward(device.stream(), s, offsets.empty() ? nullptr : offsets.data(),
                  std::max<std::int64_t>(static_cast<std::int64_t>(offsets.size()) - 1, 3));
    } catch (const Error& e) {
      return e.message();
    }
    return std::string();
  };
  const Sizes s{1, 4, 4, 1, 1, 2};
  CHECK(message(s, {0, 1, 1, 4}).empty());
  CHECK_THAT(message(s, {0, 1, 1, 5}), Catch::Matchers::Contains("last offset is 5, of 4 rows"));
  CHECK_THAT(message(s, {1, 1, 1, 4}), Catch::Matchers::Contains("first offset is 1"));
  CHECK_THAT(message(s, {0, 3, 2, 4}), Catch::Matchers::Contains("offset 2 is 2, after 3"));
  CHECK_THAT(message({2, 4, 4, 1, 1, 2}, {0, 1, 1, 4}), Catch::Matchers::Contains("got B 2, 4, 4"));
  CHECK_THAT(message({1, 4, 6, 1, 1, 2}, {0, 1, 1, 4}), Catch::Matchers::Contains("got B 1, 4, 6"));
  CHECK_THAT(message(s, {}), Catch::Matchers::Contains("3 sequences without offsets"));
}

TEST_CASE("lengths that do not sum to the positions are refused", "[unit][attention]") {
  Device device({.threads = 1});
  const Tensor q = Tensor::full(device, {2, 5, 2, 4}, 0.0, DType::f32);
  const Tensor k = Tensor::full(device, {2, 6, 2, 4}, 0.0, DType::f32);
  const Tensor qkv = Tensor::full(device, {2, 5, 24}, 0.0, DType::f32);
  const ops::AttentionOptions nine{.lengths = {4, 5}}, negative{.lengths = {11, -1}};
  const auto sum = Catch::Matchers::Contains("got 9 and 10");
  CHECK_THROWS_WITH(ops::attention(q, q, q, nine), sum);
  CHECK_THROWS_WITH(ops::attention_packed(qkv, 2, 2, nine), sum);
  CHECK_THROWS_WITH(ops::attention(q, q, q, negative), Catch::Matchers::Contains("length -1"));
  CHECK_THROWS_WITH(ops::attention(q, k, k, {.lengths = {4, 6}}),
                    Catch::Matchers::Contains("got 5 and 6"));
}

TEST_CASE("large scores neither overflow nor lose the softmax", "[unit][attention]") {
  const Sizes s{1, 20, 20, 1, 1, 8};
  Device device({.threads = 1});
  Run<float> run(s);
  for (float& x : run.q.values) x *= 300.0f;
  run.forward(device.stream(), s), run.backward(device.stream(), s);
  for (std::int64_t i = 0; i < run.out.size(); ++i)
    REQUIRE(std::isfinite(run.out[i] + run.dq[i] + run.dk[i] + run.dv[i]));
}

TEST_CASE("queries that see no key give zeros, and no gradient", "[unit][attention]") {
  const Sizes s{1, 70, 3, 1, 1, 4};
  Device device({.threads = 1});
  Run<float> run(s);
  run.forward(device.stream(), s), run.backward(device.stream(), s);
  for (std::int64_t i = 0; i < 67 * 4; ++i) REQUIRE((run.out[i] == 0.0f && run.dq[i] == 0.0f));
  for (std::int64_t i = 0; i < run.dk.size(); ++i) REQUIRE(std::isfinite(run.dk[i] + run.dv[i]));
}

TEST_CASE("attention's memory is linear in the length", "[unit][attention]") {
  const auto peak = [](std::int64_t t) {
    const Sizes s{1, t, t, 1, 1, 8};
    Device device({.threads = 1});
    Run<float> run(s);
    run.forward(device.stream(), s), run.backward(device.stream(), s);
    return device.allocator().stats().total.peak;
  };
  CHECK(peak(2048) < 3 * peak(1024));
}

TEST_CASE("attention refuses shapes that do not belong together", "[unit][attention]") {
  const Sizes s{1, 4, 4, 3, 3, 2};
  Device device({.threads = 1});
  Run<float> run(s);
  Array<float> k({1, 4, 2, 2});
  CHECK_THROWS_WITH(device.stream().submit(AttentionForward{
                        .q = run.q.view(), .k = k.view(), .v = k.view(), .out = run.out.view()}),
                    Catch::Matchers::Contains("multiple of Hkv"));
  CHECK_THROWS_WITH(
      device.stream().submit(AttentionForward{
          .q = run.q.view(), .k = run.k.view(), .v = k.view(), .out = run.out.view()}),
      Catch::Matchers::Contains("(1, 4, 2, 2)"));
}
