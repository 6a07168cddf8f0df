// Muon beside an f64 implementation, matrix by matrix; its updates are nearly orthogonal.

#include "gigatrain/optim/muon.h"

#include <cmath>

#include "optim/optimizer_trial.h"
#include "optim/orthogonalize.h"

using namespace gigatrain;
using namespace gigatrain::optim;
using namespace gigatrain::test;

namespace {

struct Matrix {
  std::size_t rows, cols;
  Vector x = Vector(rows * cols);
  double& at(std::size_t i, std::size_t j) { return x[i * cols + j]; }
  double at(std::size_t i, std::size_t j) const { return x[i * cols + j]; }
};

Matrix product(const Matrix& a, const Matrix& b) {
  Matrix c{a.rows, b.cols};
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t k = 0; k < a.cols; ++k)
      for (std::size_t j = 0; j < b.cols; ++j) c.at(i, j) += a.at(i, k) * b.at(k, j);
  return c;
}

Matrix transposed(const Matrix& a) {
  Matrix b{a.cols, a.rows};
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t j = 0; j < a.cols; ++j) b.at(j, i) = a.at(i, j);
  return b;
}

// As zeropower_via_newtonschulz5 of the reference implementation, in f64.
Matrix newton_schulz(Matrix x) {
  if (x.rows > x.cols) return transposed(newton_schulz(transposed(x)));
  double norm = 0;
  for (const double v : x.x) norm += v * v;
  for (double& v : x.x) v /= std::sqrt(norm) + 1e-7;
  for (int step = 0; step < 5; ++step) {
    const Matrix a = product(x, transposed(x)), aa = product(a, a);
    Matrix b = a;
    for (std::size_t i = 0; i < b.x.size(); ++i) b.x[i] = -4.7750 * a.x[i] + 2.0315 * aa.x[i];
    const Matrix bx = product(b, x);
    for (std::size_t i = 0; i < x.x.size(); ++i) x.x[i] = 3.4445 * x.x[i] + bx.x[i];
  }
  return x;
}

// The update of columns [begin, end) of an (rows, cols) parameter.
void apply_part(const TrialStep& s, const Vector& update, std::size_t begin, std::size_t end,
                double decay) {
  const auto rows = static_cast<std::size_t>(s.parameter.shape()[0]);
  const auto cols = static_cast<std::size_t>(s.parameter.shape()[1]);
  Matrix part{rows, end - begin};
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = begin; j < end; ++j) part.at(i, j - begin) = update[i * cols + j];
  const Matrix o = newton_schulz(part);
  const double scale = 0.2 * std::sqrt(static_cast<double>(std::max(rows, end - begin)));
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = begin; j < end; ++j) {
      double& w = s.w[i * cols + j];
      w -= s.lr * (scale * o.at(i, j - begin) + decay * w);
    }
}

struct AdamState {
  Vector m, v;
};

const TrialOptions kShapes{.shapes = {{"b", {5}},
                                      {"h.0.attn.weight", {24, 36}},
                                      {"h.0.mlp.weight", {40, 12}},
                                      {"h.1.mlp.weight", {40, 12}},
                                      {"lm_head.weight", {17, 8}},
                                      {"wte.weight", {17, 8}}}};

Trial::Make muon(const MuonOptions& o) {
  return [o](const auto& parameters) {
    for (auto* p : parameters)
      if (p->name() == "h.0.attn.weight") p->set_parts(1, {24, 6, 6});
    return std::make_unique<Muon>(parameters, o);
  };
}

}  // namespace

TEST_CASE("Muon follows its reference, fused parts one by one", "[unit][optim]") {
  for (const bool nesterov : {true, false}) {
    const MuonOptions o{.weight_decay = 0.1f, .momentum = 0.9f, .nesterov = nesterov};
    std::map<std::string, AdamState> states;
    const double mu = o.momentum, b1 = o.adamw.beta1, b2 = o.adamw.beta2;
    Trial trial(muon(o), kShapes);
    trial.check_follows(
        [&](const TrialStep& s) {
          const std::string& name = s.parameter.name();
          const double decay = s.parameter.decays() ? static_cast<double>(o.weight_decay) : 0.0;
          AdamState& state = states[name];
          state.m.resize(s.w.size()), state.v.resize(s.w.size());
          if (name[0] == 'h') {
            Vector update(s.w.size());
            for (std::size_t i = 0; i < update.size(); ++i) {
              state.m[i] = mu * state.m[i] + (1 - mu) * s.g[i];  // the reference's lerp
              update[i] = nesterov ? (1 - mu) * s.g[i] + mu * state.m[i] : state.m[i];
            }
            const auto cols = static_cast<std::size_t>(s.parameter.shape()[1]);
            const bool fused = name == "h.0.attn.weight";
            apply_part(s, update, 0, fused ? 24 : cols, decay);
            if (fused) apply_part(s, update, 24, 30, decay), apply_part(s, update, 30, 36, decay);
            return;
          }
          for (std::size_t i = 0; i < s.w.size(); ++i) {
            state.m[i] = b1 * state.m[i] + (1 - b1) * s.g[i];
            state.v[i] = b2 * state.v[i] + (1 - b2) * s.g[i] * s.g[i];
            const double m = state.m[i] / (1 - std::pow(b1, s.t));
            const double v = state.v[i] / (1 - std::pow(b2, s.t));
            s.w[i] -= s.lr * (m / (std::sqrt(v) + 1e-8) + decay * s.w[i]);
          }
        },
        2e-6);
    CHECK(trial.optimizer().state().size() == 3 + 2 * 3);
    check_resumes(muon(o), kShapes);
  }
}

TEST_CASE("the update of a matrix is nearly orthogonal, in f32 and bf16", "[unit][optim]") {
  Device device({.threads = 2});
  for (const DType compute : {DType::f32, DType::bf16})
    for (const Shape& shape : {Shape{2, 16, 40}, Shape{2, 40, 16}, Shape{1, 16, 16}}) {
      const Tensor x = random_tensor(device, shape, "x");
      const Vector before = x.to_vector<double>();
      orthogonalize(x, compute, 1.0f);
      const Vector after = x.to_vector<double>();
      const auto rows = static_cast<std::size_t>(shape[1]),
                 cols = static_cast<std::size_t>(shape[2]);
      const std::size_t n = rows * cols;
      for (std::int64_t k = 0; k < shape[0]; ++k) {
        Matrix m{rows, cols}, in{rows, cols};
        std::copy_n(after.begin() + k * static_cast<std::int64_t>(n), n, m.x.begin());
        std::copy_n(before.begin() + k * static_cast<std::int64_t>(n), n, in.x.begin());
        CHECK(relative_error(m.x, newton_schulz(in).x) < (compute == DType::f32 ? 1e-5 : 0.05));
        const Matrix gram = rows < cols ? product(m, transposed(m)) : product(transposed(m), m);
        double trace = 0;  // of singular values squared
        for (std::size_t i = 0; i < gram.rows; ++i) trace += gram.at(i, i);
        CHECK(trace / static_cast<double>(gram.rows) == Approx(1.0).margin(0.4));
      }
    }
  const Tensor zero = Tensor::full(device, {1, 4, 6}, 0.0);
  orthogonalize(zero, DType::f32, 1.0f);
  CHECK(zero.to_vector<double>() == Vector(24));
}

TEST_CASE("parts must fill their parameter", "[unit][optim][errors]") {
  Parameter p({4, 12}, {});
  CHECK_THROWS_WITH(p.set_parts(1, {4, 4}), Catch::Matchers::Contains("add up to its dim 1"));
  CHECK_THROWS_WITH(p.set_parts(2, {4}), Catch::Matchers::Contains("add up to its dim 2"));
  CHECK_THROWS_WITH(p.set_parts(0, {5, -1}), Catch::Matchers::Contains("must be positive"));
}
