// The average of the weights beside its formula; exchanged for an evaluation and back.

#include "gigatrain/optim/ema.h"

#include <cmath>

#include "gigatrain/optim/sgd.h"
#include "gigatrain/tensor/tensor_source.h"
#include "optim/optimizer_trial.h"

using namespace gigatrain;
using namespace gigatrain::optim;
using namespace gigatrain::test;

namespace {

Trial::Make averaged(const EmaOptions& o) {
  return [o](const auto& parameters) {
    return with_ema(std::make_unique<Sgd>(parameters), parameters, o);
  };
}

Tensor average_of(Trial& trial, const std::string& name) {
  for (const auto& s : trial.optimizer().state())
    if (s.name == name + ".ema") return s.tensor;
  return {};
}

}  // namespace

TEST_CASE("the average of the weights is what its formula says", "[unit][optim]") {
  for (const bool corrected : {true, false})
    for (const DType master : {DType::f32, DType::bf16}) {
      CAPTURE(corrected, static_cast<int>(master));
      const double d = 0.9f;
      Trial trial(averaged({.decay = 0.9f, .bias_correction = corrected}),
                  {.compute = master, .master = master});
      std::map<std::string, Vector> sums;
      for (const auto* p : trial.parameters())
        sums[p->name()] = corrected ? Vector(p->value().to_vector<double>().size())
                                    : p->value().to_vector<double>();
      for (int t = 1; t <= 20; ++t) {
        trial.step(t);
        for (const auto* p : trial.parameters()) {
          const Vector w = p->value().to_vector<double>();
          Vector want = sums[p->name()];
          for (std::size_t i = 0; i < w.size(); ++i) want[i] = d * want[i] + (1 - d) * w[i];
          sums[p->name()] = want;
          if (corrected)  // as Adam's: a sum from zero, divided by its weights
            for (double& x : want) x /= 1 - std::pow(d, t);
          CHECK(relative_error(average_of(trial, p->name()).to_vector<double>(), want) < 1e-6);
        }
      }
    }
}

TEST_CASE("weights and average change places, and back, bit by bit", "[unit][optim][bits]") {
  for (const DType master : {DType::f32, DType::bf16}) {
    Trial trial(averaged({.decay = 0.9f}), {.compute = DType::bf16, .master = master});
    for (int t = 1; t <= 5; ++t) trial.step(t);
    const auto before = trial.bits();
    {
      const Ema::Swapped swapped(trial.optimizer().ema());
      for (auto* p : trial.parameters()) {
        const auto want = average_of(trial, p->name()).to_vector<float>();
        const auto value = p->value().to_vector<float>();
        const auto used = p->compute_value().to_vector<float>();
        for (std::size_t i = 0; i < want.size(); ++i) {
          const auto rounded = static_cast<float>(bf16(want[i]));
          REQUIRE(value[i] == (p->value().dtype() == DType::f32 ? want[i] : rounded));
          REQUIRE(used[i] == (p->compute_dtype() == DType::f32 ? want[i] : rounded));
        }
      }
    }
    CHECK((trial.bits() == before));
    for (auto* p : trial.parameters()) {
      const auto value = p->value().to_vector<float>(),
                 used = p->compute_value().to_vector<float>();
      for (std::size_t i = 0; i < value.size(); ++i)
        REQUIRE(used[i] ==
                (p->compute_dtype() == DType::f32 ? value[i] : static_cast<float>(bf16(value[i]))));
    }
  }
  const Ema::Swapped none(nullptr);
}

namespace {

// Whole values that ranks would gather.
struct Gathered : TensorSource {
  Tensor fetch() override { return {}; }
  bool leaves() const override { return false; }
  void settle() override { ++settled; }
  int settled = 0;
};

}  // namespace

TEST_CASE("values that are still read are not exchanged", "[unit][optim]") {
  Device device({.threads = 1});
  Parameter parameter({3}, {});
  parameter.allocate(device, DType::f32);
  const auto source = std::make_shared<Gathered>();
  parameter.add_use()->leaf().weights = source;
  parameter.exchange_value(Tensor::full(device, {3}, 1.0));
  CHECK(source->settled == 1);
}
