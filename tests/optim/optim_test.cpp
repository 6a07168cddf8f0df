// AdamW against an f64 implementation of the paper, schedules, groups, clipping.

#include <catch2/catch.hpp>

#include <cmath>

#include "gigatrain/base/error.h"
#include "gigatrain/optim/adamw.h"
#include "gigatrain/optim/clip.h"
#include "gigatrain/optim/schedule.h"
#include "support/random.h"

using namespace gigatrain;
using namespace gigatrain::optim;

namespace {

std::unique_ptr<Parameter> parameter(Device& device, const char* name, const Shape& shape) {
  auto p = std::make_unique<Parameter>(shape, Init{Init::Kind::normal, 0.3f});
  p->set_name(name);
  p->allocate(device, DType::f32);
  p->initialize(1);
  return p;
}

// One element, in double: arXiv:1711.05101 with bias correction.
struct Reference {
  double w, m = 0, v = 0;
  void step(double g, int t, double lr, double b1, double b2, double eps, double decay) {
    m = b1 * m + (1 - b1) * g;
    v = b2 * v + (1 - b2) * g * g;
    const double mh = m / (1 - std::pow(b1, t)), vh = v / (1 - std::pow(b2, t));
    w -= lr * (mh / (std::sqrt(vh) + eps) + decay * w);
  }
};

}  // namespace

TEST_CASE("AdamW follows the paper; vectors do not decay", "[unit][optim]") {
  Device device({.threads = 2});
  const auto matrix = parameter(device, "w", {37, 111}), vector = parameter(device, "b", {5});
  const std::vector<Parameter*> both{matrix.get(), vector.get()};
  AdamW adamw(both, {.weight_decay = 0.2f, .beta1 = 0.9f, .beta2 = 0.95f, .eps = 1e-6f});
  std::vector<std::pair<Parameter*, std::vector<Reference>>> truth;
  for (auto* p : {matrix.get(), vector.get()}) {
    truth.emplace_back(p, std::vector<Reference>{});
    for (const double w : p->value().to_vector<double>()) truth.back().second.push_back({w});
  }
  for (int t = 1; t <= 12; ++t) {
    for (auto& [p, elements] : truth) {
      const auto g = test::random_values(p->value().numel(), p->name() + std::to_string(t));
      p->grad = test::tensor_of(device, p->shape(), g, DType::f32);
      for (std::size_t i = 0; i < g.size(); ++i)
        elements[i].step(0.5 * g[i], t, 0.01f, 0.9f, 0.95f, 1e-6f, p->decays() ? 0.2f : 0.0);
    }
    const std::vector<double> half{1.0, 0.5};  // norm, and the factor
    adamw.step({.step = t, .lr = 0.01f, .clip = Tensor::from<double>(device, {2}, half)});
  }
  for (auto& [p, elements] : truth) {
    std::vector<double> expected;
    for (const auto& e : elements) expected.push_back(e.w);
    CHECK(test::relative_error(p->value().to_vector<double>(), expected) < 1e-6);
  }
  const auto state = adamw.state();
  REQUIRE(state.size() == 4);
  CHECK(state[0].name == "b.exp_avg");
  CHECK(state[3].name == "w.exp_avg_sq");
}

TEST_CASE("a skipped update leaves a bf16 copy that was never made to be made", "[unit][optim]") {
  Device device({.threads = 1});
  Parameter p({4, 8}, {.kind = Init::Kind::normal, .stddev = 1.0f});
  p.set_name("w");
  p.allocate(device, DType::bf16);
  p.initialize(1);
  p.grad = Tensor::full(device, {4, 8}, 1.0);
  AdamW adamw(std::vector<Parameter*>{&p});
  const std::vector<double> poisoned{INFINITY, NAN};
  adamw.step({.step = 1, .lr = 0.1f, .clip = Tensor::from<double>(device, {2}, poisoned)});
  const auto master = p.value().to_vector<float>(), copy = p.compute_value().to_vector<float>();
  for (std::size_t i = 0; i < master.size(); ++i)
    CHECK(copy[i] == static_cast<float>(bf16(master[i])));
}

TEST_CASE("parameter groups scale the learning rate", "[unit][optim]") {
  Device device({.threads = 1});
  const auto a = parameter(device, "a", {4}), b = parameter(device, "b", {4});
  const auto before = a->value().to_vector<double>(), other = b->value().to_vector<double>();
  const std::vector<ParameterGroup> groups{{{a.get()}, 1.0f, 0.0f}, {{b.get()}, 0.0f, 0.0f}};
  AdamW adamw(groups, AdamWOptions{});
  a->grad = b->grad = Tensor::full(device, {4}, 1.0);
  adamw.step({.step = 1, .lr = 0.1f});
  CHECK(a->value().to_vector<double>()[0] == Approx(before[0] - 0.1));
  CHECK(b->value().to_vector<double>() == other);
}

TEST_CASE("an optimizer says which gradient is missing", "[unit][optim][errors]") {
  Device device({.threads = 1});
  const auto a = parameter(device, "h.0.weight", {4});
  AdamW adamw(std::vector<Parameter*>{a.get()});
  CHECK_THROWS_WITH(adamw.step({}), Catch::Matchers::Contains("'h.0.weight' has no gradient"));
}

TEST_CASE("schedules warm up and come down", "[unit][optim]") {
  Schedule s{
      .kind = Schedule::Kind::cosine, .lr = 1.0f, .warmup = 10, .steps = 110, .min_lr = 0.1f};
  CHECK(s.at(0) == Approx(0.1));
  CHECK(s.at(9) == Approx(1.0));
  CHECK(s.at(10) == Approx(1.0));
  CHECK(s.at(60) == Approx(0.55));
  CHECK(s.at(110) == Approx(0.1));
  CHECK(s.at(1000) == Approx(0.1));
  s.kind = Schedule::Kind::linear;
  CHECK(s.at(60) == Approx(0.55));
  CHECK(s.at(35) == Approx(0.775));
  s.kind = Schedule::Kind::constant;
  CHECK(s.at(109) == 1.0f);
  CHECK(parse_schedule("linear") == Schedule::Kind::linear);
  CHECK_THROWS_AS(parse_schedule("cosin"), Error);
}

TEST_CASE("inverse square root follows Vaswani et al., scaled to its peak", "[unit][optim]") {
  Schedule s{.kind = Schedule::Kind::inverse_sqrt, .lr = 2.0f, .warmup = 16, .steps = 1000};
  for (const std::int64_t step : {0, 7, 15, 16, 63, 999}) {
    const double n = static_cast<double>(step + 1), warmup = 16.0;  // the paper counts from 1
    const double paper = std::min(1 / std::sqrt(n), n * std::pow(warmup, -1.5));
    CHECK(s.at(step) == Approx(2.0 * paper * std::sqrt(warmup)));
  }
  s.min_lr = 0.5f;
  CHECK(s.at(999) == Approx(1.0));
  s.warmup = 0;
  CHECK(s.at(0) == Approx(2.0));
  CHECK(s.at(1) == Approx(std::sqrt(2.0)));
}

TEST_CASE("warm-up, stable, decay", "[unit][optim]") {
  Schedule s{.kind = Schedule::Kind::wsd,
             .lr = 1.0f,
             .warmup = 10,
             .steps = 100,
             .min_lr = 0.1f,
             .decay = 0.2f};
  CHECK(s.at(4) == Approx(0.5));
  CHECK(s.at(10) == 1.0f);
  CHECK(s.at(80) == 1.0f);
  CHECK(s.at(90) == Approx(0.55));
  CHECK(s.at(100) == Approx(0.1));
  s.shape = Schedule::Shape::sqrt;
  CHECK(s.at(80) == 1.0f);
  CHECK(s.at(85) == Approx(0.1 + 0.9 * 0.5));
  CHECK(s.at(100) == Approx(0.1));
  s.decay = 1.0f;  // no stable part
  CHECK(s.at(10) == 1.0f);
  CHECK(s.at(11) < 1.0f);
  CHECK(parse_schedule("wsd") == Schedule::Kind::wsd);
  CHECK(parse_decay_shape("sqrt") == Schedule::Shape::sqrt);
  CHECK_THROWS_AS(parse_decay_shape("cosine"), Error);
}

TEST_CASE("the gradient norm is exact and clips", "[unit][optim]") {
  Device device({.threads = 2});
  const auto a = parameter(device, "a", {100, 99}), b = parameter(device, "b", {3});
  double sum = 0;
  for (auto* p : {a.get(), b.get()}) {
    p->grad = test::random_tensor(device, p->shape(), p->name());
    for (const double g : p->grad.to_vector<double>()) sum += g * g;
  }
  const double norm = gradient_norm({a.get(), b.get()});
  CHECK(norm == Approx(std::sqrt(sum)).epsilon(1e-12));
  const auto factor = [&](float max_norm, const Tensor& guard = {}) {
    return clip_scale({a.get(), b.get()}, max_norm, guard).to_vector<double>()[1];
  };
  CHECK(factor(0.0f) == 1.0);
  CHECK(factor(static_cast<float>(norm) * 2) == 1.0);
  CHECK(factor(1.0f) == Approx(1.0 / norm));
  CHECK(std::isnan(factor(1.0f, Tensor::full(device, {2}, INFINITY))));
  b->grad = Tensor::full(device, {3}, NAN);
  CHECK(std::isnan(gradient_norm({a.get(), b.get()})));
  CHECK(std::isnan(factor(1.0f)));
}
