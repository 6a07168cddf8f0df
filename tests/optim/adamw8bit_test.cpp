// AdamW with 8-bit moments: its table, an f64 implementation of the whole, and how near it stays to
// AdamW.

#include "gigatrain/optim/adamw8bit.h"

#include <algorithm>
#include <cmath>

#include "kernels/dynamic_tree.h"
#include "optim/optimizer_trial.h"

using namespace gigatrain;
using namespace gigatrain::optim;
using namespace gigatrain::test;

namespace {

// As create_dynamic_map of bitsandbytes: middles of equal parts of [0.1, 1], decade by decade.
Vector reference_codes(bool both_signs) {
  Vector codes{0.0, 1.0};
  for (int i = 0; i < 7; ++i) {
    const int items = 1 << (both_signs ? i : i + 1);
    for (int k = 0; k < items; ++k) {
      const double low = 0.1 + 0.9 * k / items, high = 0.1 + 0.9 * (k + 1) / items;
      const double value = std::pow(10.0, i - 6) * (low + high) / 2;
      codes.push_back(value);
      if (both_signs) codes.push_back(-value);
    }
  }
  std::sort(codes.begin(), codes.end());
  return codes;
}

// A moment after it was stored and read again, block by block.
void quantize(Vector& x, const Vector& codes, bool keep_positive) {
  for (std::size_t begin = 0; begin < x.size(); begin += 256) {
    const std::size_t end = std::min(x.size(), begin + 256);
    double most = 0;
    for (std::size_t i = begin; i < end; ++i) most = std::max(most, std::abs(x[i]));
    for (std::size_t i = begin; i < end && most > 0; ++i) {
      double best = codes[0];
      for (const double code : codes)
        if (std::abs(x[i] / most - code) < std::abs(x[i] / most - best)) best = code;
      if (keep_positive && x[i] > 0 && best == 0) best = codes[1];
      x[i] = best * most;
    }
  }
}

Trial::Make adamw8bit(const AdamWOptions& o) {
  return [o](const auto& parameters) { return std::make_unique<AdamW8bit>(parameters, o); };
}

const TrialOptions kShapes{.shapes = {{"b", {5}}, {"small", {63, 65}}, {"w", {70, 61}}}};

}  // namespace

TEST_CASE("the codes are the dynamic tree's", "[unit][optim]") {
  for (const bool signs : {true, false}) {
    const auto codes = kernels::dynamic_tree(signs);
    const Vector want = reference_codes(signs);
    REQUIRE(want.size() == codes.size());
    for (std::size_t i = 0; i < codes.size(); ++i)
      CHECK(static_cast<double>(codes[i]) == Approx(want[i]).epsilon(1e-6).margin(0));
  }
}

TEST_CASE("AdamW with 8-bit moments follows the paper; small tensors keep f32", "[unit][optim]") {
  const AdamWOptions o{.weight_decay = 0.1f, .beta1 = 0.9f, .beta2 = 0.95f};
  const Vector signs = reference_codes(true), unsigneds = reference_codes(false);
  std::map<std::string, std::pair<Vector, Vector>> moments;
  const double b1 = o.beta1, b2 = o.beta2;
  Trial trial(adamw8bit(o), kShapes);
  // A moment half-way between two codes may round either way, so the bound is wider than f32's.
  trial.check_follows(
      [&](const TrialStep& s) {
        auto& [m, v] = moments[s.parameter.name()];
        m.resize(s.w.size()), v.resize(s.w.size());
        const double decay = s.parameter.decays() ? static_cast<double>(o.weight_decay) : 0.0;
        for (std::size_t i = 0; i < s.w.size(); ++i) {
          m[i] = b1 * m[i] + (1 - b1) * s.g[i];
          v[i] = b2 * v[i] + (1 - b2) * s.g[i] * s.g[i];
          const double mean = m[i] / (1 - std::pow(b1, s.t));
          const double square = v[i] / (1 - std::pow(b2, s.t));
          s.w[i] -= s.lr * (mean / (std::sqrt(square) + 1e-8) + decay * s.w[i]);
        }
        if (s.w.size() < AdamW8bit::kSmallest) return;
        quantize(m, signs, false);
        quantize(v, unsigneds, true);
      },
      2e-5);
  const auto state = trial.optimizer().state();
  REQUIRE(state.size() == 2 + 2 + 4);
  CHECK(state[0].name == "b.exp_avg");
  CHECK(state[4].name == "w.exp_avg_8bit");
  CHECK(state[4].tensor.dtype() == DType::u8);
  CHECK(state[5].name == "w.exp_avg_absmax");
  CHECK(state[5].tensor.numel() == (70 * 61 + 255) / 256);
  check_resumes(adamw8bit(o), kShapes);
}

TEST_CASE("8-bit moments stay near f32's", "[unit][optim]") {
  Trial narrow(adamw8bit({}), kShapes);
  Trial wide([](const auto& p) { return std::make_unique<AdamW>(p); }, kShapes);
  const Vector before = narrow.parameters()[2]->value().to_vector<double>();
  for (int t = 1; t <= 50; ++t) narrow.step(t), wide.step(t);
  Vector moved = narrow.parameters()[2]->value().to_vector<double>();
  Vector want = wide.parameters()[2]->value().to_vector<double>();
  for (std::size_t i = 0; i < moved.size(); ++i) moved[i] -= before[i], want[i] -= before[i];
  CHECK(relative_error(moved, want) < 0.1);
  CHECK(relative_error(moved, want) > 0);
}
