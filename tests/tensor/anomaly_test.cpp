// Anomaly mode names the place of the first value that is not finite.

#include "gigatrain/tensor/anomaly.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "gigatrain/base/error.h"
#include "gigatrain/nn/heads.h"
#include "gigatrain/nn/sequential.h"
#include "gigatrain/ops/ops.h"
#include "gigatrain/optim/adamw.h"
#include "gigatrain/train/array_source.h"
#include "support/tiny_run.h"

using namespace gigatrain;
using Catch::Matchers::Contains;

namespace {

Tensor of(Device& device, std::vector<float> values, DType dtype = DType::f32) {
  const auto n = static_cast<std::int64_t>(values.size());
  return ops::cast(Tensor::from<float>(device, {n}, values), dtype);
}

Tensor wanted(Tensor x) {
  x.require_grad();
  return x;
}

struct TinyData {
  test::TempFolder folder;
  std::string path = folder / "train.bin";
  TinyData() { test::write_shard(path, 2000, test::TinyRun::kVocab); }
};

// A trainer like the tiny run's own, in anomaly mode.
Trainer watched(test::TinyRun& tiny) {
  TrainerOptions options = tiny.trainer->options();
  options.anomaly = true;
  return Trainer(*tiny.model, *tiny.optimizer, tiny.data, options);
}

Parameter& parameter(nn::Layer& model, const std::string& name) {
  for (auto* p : nn::named_parameters(model))
    if (p->name() == name) return *p;
  throw std::runtime_error("no parameter " + name);
}

}  // namespace

TEST_CASE("anomaly: the op that makes the first NaN is named, forward", "[unit][tensor][anomaly]") {
  Device device(CpuOptions{.threads = 1});
  const Tensor x = wanted(of(device, {1, -1, 2}));
  const auto forward = [&] { return ops::sum(ops::scale(ops::log(x), 2.0)); };
  CHECK(std::isnan(forward().item()));  // off: nobody looks
  const DetectAnomaly on(7);
  CHECK_THROWS_WITH(forward(),
                    Contains("step 7, forward: 'log' made output 0 not finite (all its inputs are "
                             "finite): nan at element 1 of f32 (3), 1 such of 3"));
  const Tensor bad = wanted(of(device, {INFINITY}));
  CHECK_THROWS_WITH(ops::scale(bad, 1.0), Contains("'scale'") && Contains("input 0 already held"));
}

TEST_CASE("anomaly: an overflow in the backward is named", "[unit][tensor][anomaly]") {
  Device device(CpuOptions{.threads = 1});
  const Tensor x = wanted(of(device, {3.0f, 1e-30f}));
  const auto y = [&] { return ops::sum(ops::log(x)); };  // d/dx = 1 / x = 1e30, times 1e10
  const DetectAnomaly on;
  const Tensor loss = ops::scale(ops::scale(y(), 1e-10), 1e20);
  CHECK_THROWS_WITH(backward(loss),
                    Contains("backward: 'log' made the gradient of input 0 not finite: inf at "
                             "element 1"));
}

TEST_CASE("anomaly: gradients that overflow when they are added", "[unit][tensor][anomaly]") {
  Device device(CpuOptions{.threads = 1});
  const Tensor x = wanted(of(device, {1.0f}));
  const Tensor y = ops::scale(x, 1.0);
  const DetectAnomaly on;
  const Tensor loss = ops::sum(ops::add(ops::scale(y, 3e38), ops::scale(y, -3e38)));
  CHECK_NOTHROW(backward(loss));
  const Tensor z = ops::scale(x, 1e-3);
  const Tensor big = ops::sum(ops::sub(ops::scale(z, 3e38), ops::scale(z, -3e38)));
  CHECK_THROWS_WITH(backward(big), Contains("backward: the sum of the gradients of 'scale'"));
}

TEST_CASE("anomaly: a NaN in a weight is named with its layer and step", "[unit][train][anomaly]") {
  const TinyData data;
  test::TinyRun tiny(data.path, {});
  Trainer trainer = watched(tiny);
  trainer.step();
  const std::string name = "transformer.h.1.mlp.c_fc.weight";
  Parameter& weight = parameter(*tiny.model, name);
  weight.value().view().as<float>()[5] = NAN;
  weight.changed();
  const auto before = tiny.digest();
  try {
    trainer.step();
    FAIL("the NaN was not found");
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::cancelled);
    CHECK_THAT(e.what(), Contains("step 2, forward: parameter '" + name +
                                  "' of layer 'transformer.h.1.mlp.c_fc' is not finite: nan at "
                                  "element 5"));
  }
  CHECK(tiny.digest() == before);
}

TEST_CASE("anomaly: an overflow of the backward in a layer is named with its parameter",
          "[unit][train][anomaly]") {
  Device device(CpuOptions{.threads = 1});
  const auto linear = [] {
    return std::make_shared<nn::Linear>(nn::Linear::Options{.in = 4, .out = 4, .init_std = 1.0f});
  };
  // The loss is zero, its derivative 1e20; weight gradients are that times inputs of about 1e30.
  const auto steep = [](const Tensor& y, const Tensor&, double scale) {
    return ops::scale(ops::sum(ops::sub(y, y.detach())), 1e20 * scale);
  };
  nn::RegressionHead model(
      std::make_shared<nn::Sequential>(std::vector<std::shared_ptr<nn::Layer>>{linear(), linear()}),
      {.channels = 4, .init_std = 1.0f, .loss = steep});
  nn::materialize(model, device);
  parameter(model, "head.weight").set_requires_grad(false);
  optim::AdamW adamw(nn::trainable_parameters(model));
  const ArraySource data(
      {array<float>("x", {1, 4}, {1e30f, 1e30f, 1e30f, 1e30f}), array<float>("target", {1}, {0})},
      {});
  CHECK_THROWS_WITH(Trainer(model, adamw, data, {}).step(),
                    Contains("the gradient norm") && !Contains("body"));  // off: no name
  Trainer trainer(model, adamw, data, {.anomaly = true});
  CHECK_THROWS_WITH(trainer.step(),
                    Contains("step 1, backward: 'linear' of layer 'body.1' made the gradient of "
                             "parameter 'body.1.weight' not finite: "));
}

TEST_CASE("anomaly mode changes no bit", "[unit][train][anomaly][bits]") {
  const TinyData data;
  test::TinyRun plain(data.path, {}), checked(data.path, {});
  Trainer trainer = watched(checked);
  plain.trainer->step();
  trainer.step();
  CHECK(plain.digest() == checked.digest());
  CHECK_FALSE(diagnostics().anomaly);
}
