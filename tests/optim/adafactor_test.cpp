// Adafactor beside an f64 implementation of the paper.

#include "gigatrain/optim/adafactor.h"

#include <cmath>

#include "optim/optimizer_trial.h"

using namespace gigatrain;
using namespace gigatrain::optim;
using namespace gigatrain::test;

namespace {

struct Means {
  Vector row, col;
};

double root_mean_square(const Vector& x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return std::sqrt(sum / static_cast<double>(x.size()));
}

// One step on a matrix; a vector is one of its own second moments.
void step(const TrialStep& s, const AdafactorOptions& o, Means& means) {
  const bool vector = s.parameter.shape().dims() < 2;
  const std::size_t cols = vector ? s.w.size() : static_cast<std::size_t>(s.parameter.shape()[-1]);
  const std::size_t rows = s.w.size() / cols;
  means.row.resize(rows), means.col.resize(cols);
  const double b = 1 - std::pow(s.t, -static_cast<double>(o.decay_power));
  Vector row(rows), col(cols);
  for (std::size_t i = 0; i < s.w.size(); ++i) {
    const double square = s.g[i] * s.g[i] + static_cast<double>(o.eps1);
    row[i / cols] += square / static_cast<double>(cols);
    col[i % cols] += square / static_cast<double>(rows);
  }
  double mean = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    means.row[r] = b * means.row[r] + (1 - b) * row[r];
    mean += means.row[r] / static_cast<double>(rows);
  }
  for (std::size_t c = 0; c < cols; ++c) means.col[c] = b * means.col[c] + (1 - b) * col[c];
  Vector u(s.w.size());
  for (std::size_t i = 0; i < u.size(); ++i) {
    const double v = vector ? means.col[i] : means.row[i / cols] * means.col[i % cols] / mean;
    u[i] = s.g[i] / std::sqrt(v);
  }
  const double clip = std::max(1.0, root_mean_square(u) / static_cast<double>(o.threshold));
  double rate = o.relative_step ? std::min(0.01, 1 / std::sqrt(s.t)) : s.lr;
  if (o.scale_parameter) rate *= std::max(static_cast<double>(o.eps2), root_mean_square(s.w));
  const double decay = s.parameter.decays() ? static_cast<double>(o.weight_decay) : 0.0;
  for (std::size_t i = 0; i < u.size(); ++i) s.w[i] -= rate * (u[i] / clip + decay * s.w[i]);
}

Trial::Make adafactor(const AdafactorOptions& o) {
  return [o](const auto& parameters) { return std::make_unique<Adafactor>(parameters, o); };
}

}  // namespace

TEST_CASE("Adafactor follows the paper", "[unit][optim]") {
  const TrialOptions shapes{.shapes = {{"b", {5}},
                                       {"bias", {300}},
                                       {"conv.weight", {6, 3, 20}},
                                       {"w1", {100, 37}},
                                       {"w2", {16, 520}}}};
  for (const AdafactorOptions& o :
       {AdafactorOptions{}, AdafactorOptions{.weight_decay = 0.1f, .threshold = 0.5f},
        AdafactorOptions{.scale_parameter = true, .relative_step = true}}) {
    CAPTURE(o.threshold, o.scale_parameter);
    std::map<std::string, Means> means;
    Trial trial(adafactor(o), shapes);
    trial.check_follows([&](const TrialStep& s) { step(s, o, means[s.parameter.name()]); }, 2e-6);
    const auto state = trial.optimizer().state();
    REQUIRE(state.size() == 8);
    CHECK(state[0].name == "b.exp_avg_sq");
    CHECK(state[2].name == "conv.weight.exp_avg_sq_row");
    CHECK(state[2].tensor.shape() == Shape{18});
    CHECK(state[3].tensor.shape() == Shape{20});
    check_resumes(adafactor(o), shapes);
  }
}
