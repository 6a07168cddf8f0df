// An optimizer over three small parameters beside a plain f64 implementation of its rule, for
// twenty and more steps; and the same optimizer saved and loaded on the way.
#pragma once

#include <catch2/catch.hpp>

#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gigatrain/optim/optimizer.h"
#include "support/random.h"

namespace gigatrain::test {

using Vector = std::vector<double>;

inline std::unique_ptr<Parameter> trial_parameter(Device& device, const std::string& name,
                                                  const Shape& shape, DType compute = DType::f32,
                                                  DType master = DType::f32) {
  auto p = std::make_unique<Parameter>(shape, Init{Init::Kind::normal, 0.3f});
  p->set_name(name);
  p->allocate(device, compute, master);
  p->initialize(1);
  return p;
}

struct TrialOptions {
  std::vector<std::pair<std::string, Shape>> shapes = {
      {"b", {5}}, {"h.attn.weight", {24, 36}}, {"wte.weight", {71, 65}}};
  DType compute = DType::f32, master = DType::f32;
  float lr = 0.01f;
  bool clip = true;  // by a factor of one half
};

// What a rule's f64 implementation sees of a parameter at step t; g is clipped.
struct TrialStep {
  const Parameter& parameter;
  const Vector& g;
  Vector& w;
  int t;
  double lr;
};

class Trial {
 public:
  using Make = std::function<std::unique_ptr<optim::Optimizer>(const std::vector<Parameter*>&)>;
  static constexpr int kSteps = 24;

  Trial(const Make& make, const TrialOptions& o = {}) : o_(o) {
    for (const auto& [name, shape] : o.shapes)
      owned_.push_back(trial_parameter(device_, name, shape, o.compute, o.master));
    for (const auto& p : owned_) parameters_.push_back(p.get());
    optimizer_ = make(parameters_);
  }

  const std::vector<Parameter*>& parameters() const { return parameters_; }
  optim::Optimizer& optimizer() { return *optimizer_; }
  Device& device() { return device_; }

  static Vector gradient(const Parameter& p, int t) {
    return random_values(p.value().numel(), p.name() + std::to_string(t));
  }
  void step(int t) {
    for (auto* p : parameters_)
      p->grad = tensor_of(device_, p->shape(), gradient(*p, t), DType::f32);
    const Vector half{1.0, 0.5};  // norm, and the factor
    optimizer_->step({.step = t,
                      .lr = o_.lr,
                      .clip = o_.clip ? Tensor::from<double>(device_, {2}, half) : Tensor{}});
  }

  // The weights stay as near to those of the rule, in f64, as `tolerance` (relative, a tensor).
  void check_follows(const std::function<void(const TrialStep&)>& rule, double tolerance) {
    std::map<std::string, Vector> truth;
    for (const auto* p : parameters_) truth[p->name()] = p->value().to_vector<double>();
    for (int t = 1; t <= kSteps; ++t) {
      for (const auto* p : parameters_) {
        Vector g = gradient(*p, t);
        for (double& x : g) x = static_cast<double>(static_cast<float>(x)) * (o_.clip ? 0.5 : 1.0);
        rule({*p, g, truth[p->name()], t, static_cast<double>(o_.lr)});
      }
      step(t);
    }
    for (const auto* p : parameters_) {
      INFO(p->name());
      CHECK(relative_error(p->value().to_vector<double>(), truth[p->name()]) < tolerance);
    }
  }

  // Copies weights and state of another trial of the same make.
  void load(Trial& from) {
    const auto copy = [](const Tensor& a, const Tensor& b) {
      REQUIRE(a.shape() == b.shape());
      REQUIRE(a.dtype() == b.dtype());
      std::memcpy(b.view().data, a.view().data, static_cast<std::size_t>(a.view().bytes()));
    };
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      copy(from.parameters_[i]->value(), parameters_[i]->value());
      parameters_[i]->changed();
    }
    const auto a = from.optimizer_->state(), b = optimizer_->state();
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      REQUIRE(a[i].name == b[i].name);
      copy(a[i].tensor, b[i].tensor);
    }
  }

  // Every bit of weights and state.
  std::map<std::string, std::string> bits() {
    std::map<std::string, std::string> all;
    const auto add = [&](const std::string& name, const Tensor& t) {
      CHECK(all.count(name) == 0);
      all[name].assign(static_cast<const char*>(t.view().data),
                       static_cast<std::size_t>(t.view().bytes()));
    };
    for (const auto* p : parameters_) add(p->name(), p->value());
    for (const auto& s : optimizer_->state()) add(s.name, s.tensor);
    return all;
  }

 private:
  TrialOptions o_;
  Device device_{CpuOptions{.threads = 2}};
  std::vector<std::unique_ptr<Parameter>> owned_;
  std::vector<Parameter*> parameters_;
  std::unique_ptr<optim::Optimizer> optimizer_;
};

// A run cut in two gives the bits of the whole; and a step whose clip factor is NaN gives none.
inline void check_resumes(const Trial::Make& make, const TrialOptions& o = {}) {
  Trial whole(make, o), first(make, o), second(make, o);
  for (int t = 1; t <= 20; ++t) whole.step(t);
  for (int t = 1; t <= 9; ++t) first.step(t);
  second.load(first);
  for (int t = 10; t <= 20; ++t) second.step(t);
  CHECK((second.bits() == whole.bits()));

  const auto before = whole.bits();
  const Vector poisoned{INFINITY, NAN};
  for (auto* p : whole.parameters())
    p->grad = Tensor::full(whole.device(), p->shape(), INFINITY, DType::f32);
  whole.optimizer().step(
      {.step = 21, .lr = 0.1f, .clip = Tensor::from<double>(whole.device(), {2}, poisoned)});
  CHECK((whole.bits() == before));
}

}  // namespace gigatrain::test
