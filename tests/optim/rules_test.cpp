// SGD and Lion beside f64 implementations of their papers; what every optimizer promises.

#include <cmath>

#include "gigatrain/base/error.h"
#include "gigatrain/optim/lion.h"
#include "gigatrain/optim/make_optimizer.h"
#include "gigatrain/optim/sgd.h"
#include "optim/optimizer_trial.h"

using namespace gigatrain;
using namespace gigatrain::optim;
using namespace gigatrain::test;

namespace {

double decay_of(const TrialStep& s, double decay) {
  return s.parameter.decays() ? decay : 0.0;
}

template <class Chosen, class Options>
Trial::Make maker(const Options& options) {
  return
      [options](const auto& parameters) { return std::make_unique<Chosen>(parameters, options); };
}

OptimizerOptions named(std::string_view name) {
  return {.name = std::string(name), .seed = 3};
}

}  // namespace

TEST_CASE("SGD follows torch.optim.SGD, or decays apart from the gradient", "[unit][optim]") {
  for (const SgdOptions& o :
       {SgdOptions{.momentum = 0.0f}, SgdOptions{.momentum = 0.9f, .weight_decay = 0.2f},
        SgdOptions{.momentum = 0.9f, .nesterov = true, .weight_decay = 0.2f},
        SgdOptions{.momentum = 0.8f, .nesterov = true, .weight_decay = 0.2f, .decoupled = true}}) {
    CAPTURE(o.momentum, o.nesterov, o.decoupled);
    std::map<std::string, Vector> buffers;
    const double mu = o.momentum;
    Trial trial(maker<Sgd>(o));
    trial.check_follows(
        [&](const TrialStep& s) {
          Vector& buffer = buffers[s.parameter.name()];
          buffer.resize(s.w.size());
          for (std::size_t i = 0; i < s.w.size(); ++i) {
            const double decay = decay_of(s, o.weight_decay);
            const double g = s.g[i] + (o.decoupled ? 0.0 : decay * s.w[i]);
            buffer[i] = s.t == 1 ? g : mu * buffer[i] + g;
            const double step = o.nesterov ? g + mu * buffer[i] : buffer[i];
            s.w[i] -= s.lr * (step + (o.decoupled ? decay * s.w[i] : 0.0));
          }
        },
        1e-6);
    CHECK(trial.optimizer().state().size() == (o.momentum > 0 ? 3 : 0));
    check_resumes(maker<Sgd>(o));
  }
  Device device({.threads = 1});
  const auto p = trial_parameter(device, "w", {2, 2});
  const SgdOptions senseless{.momentum = 0.0f, .nesterov = true};
  CHECK_THROWS_WITH(Sgd({p.get()}, senseless), Catch::Matchers::Contains("a momentum above 0"));
}

TEST_CASE("Lion follows the paper", "[unit][optim]") {
  const LionOptions o{.weight_decay = 0.3f, .beta1 = 0.85f, .beta2 = 0.95f};
  std::map<std::string, Vector> means;
  const double b1 = o.beta1, b2 = o.beta2;
  Trial trial(maker<Lion>(o));
  trial.check_follows(
      [&](const TrialStep& s) {
        Vector& m = means[s.parameter.name()];
        m.resize(s.w.size());
        for (std::size_t i = 0; i < s.w.size(); ++i) {
          const double c = b1 * m[i] + (1 - b1) * s.g[i];
          s.w[i] -= s.lr * ((c > 0) - (c < 0) + decay_of(s, o.weight_decay) * s.w[i]);
          m[i] = b2 * m[i] + (1 - b2) * s.g[i];
        }
      },
      1e-6);
  check_resumes(maker<Lion>(o));
}

TEST_CASE("every optimizer resumes, and skips a poisoned step", "[unit][optim][bits]") {
  for (const auto name : optimizer_names())
    for (const float ema : {0.0f, 0.9f})
      for (const DType compute : {DType::f32, DType::bf16})
        for (const DType master : {DType::f32, compute}) {
          CAPTURE(name, static_cast<int>(compute), static_cast<int>(master), ema);
          TrialOptions o{.compute = compute, .master = master};
          check_resumes(
              [&](const auto& parameters) {
                OptimizerOptions options = named(name);
                options.ema = ema;
                return make_optimizer(parameters, options);
              },
              o);
        }
}

TEST_CASE("every optimizer writes the bf16 copy of its weights", "[unit][optim]") {
  for (const auto name : optimizer_names()) {
    CAPTURE(name);
    Trial trial([&](const auto& parameters) { return make_optimizer(parameters, named(name)); },
                {.compute = DType::bf16});
    for (auto* p : trial.parameters()) p->compute_value();
    trial.step(1);
    for (auto* p : trial.parameters()) {
      if (p->compute_dtype() != DType::bf16) continue;
      const auto master = p->value().to_vector<float>();
      for (std::size_t i = 0; i < master.size(); ++i)
        REQUIRE(p->compute_copy().view().as<bf16>()[i].bits == bf16(master[i]).bits);
    }
  }
}

TEST_CASE("optimizers refuse what they cannot update", "[unit][optim][errors]") {
  using Catch::Matchers::Contains;
  Device device({.threads = 1});
  const auto a = trial_parameter(device, "h.0.weight", {80, 80});
  const auto twin = trial_parameter(device, "h.0.weight", {4});
  for (const auto name : optimizer_names()) {
    CAPTURE(name);
    const auto optimizer = make_optimizer({a.get()}, named(name));
    a->grad = {};
    CHECK_THROWS_WITH(optimizer->step({}), Contains("'h.0.weight' has no gradient"));
    a->set_requires_grad(false);
    CHECK_THROWS_WITH(make_optimizer({a.get()}, named(name)),
                      Contains("'h.0.weight' is frozen: it does not require gradients"));
    a->set_requires_grad(true);
    CHECK_THROWS_WITH(make_optimizer({a.get(), twin.get()}, named(name)),
                      Contains("two parameters of the name 'h.0.weight'"));
    Parameter empty({4}, {});
    CHECK_THROWS_WITH(make_optimizer({&empty}, named(name)), Contains("has no memory yet"));
  }
  CHECK_THROWS_WITH(make_optimizer("adam", {a.get()}), Contains("no optimizer 'adam'; the names"));
}
