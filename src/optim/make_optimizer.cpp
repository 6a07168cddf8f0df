#include "gigatrain/optim/make_optimizer.h"

#include <fmt/format.h>

#include <functional>

#include "gigatrain/base/error.h"
#include "gigatrain/optim/adafactor.h"
#include "gigatrain/optim/adamw.h"
#include "gigatrain/optim/adamw8bit.h"
#include "gigatrain/optim/ema.h"
#include "gigatrain/optim/lion.h"
#include "gigatrain/optim/muon.h"
#include "gigatrain/optim/sgd.h"

namespace gigatrain::optim {

namespace {

using Groups = std::vector<ParameterGroup>;
using O = OptimizerOptions;

struct Named {
  std::string_view name;
  std::function<std::unique_ptr<Optimizer>(const Groups&, const O&)> make;
};

AdamWOptions adamw_options(const O& o) {
  return {.beta1 = o.beta1, .beta2 = o.beta2, .eps = o.eps, .seed = o.seed};
}

std::unique_ptr<Optimizer> make_adamw(const Groups& groups, const O& o) {
  return std::make_unique<AdamW>(groups, adamw_options(o));
}

std::unique_ptr<Optimizer> make_sgd(const Groups& groups, const O& o) {
  return std::make_unique<Sgd>(groups, SgdOptions{.momentum = o.momentum,
                                                  .nesterov = o.nesterov && o.momentum > 0.0f,
                                                  .decoupled = o.decoupled,
                                                  .seed = o.seed});
}

std::unique_ptr<Optimizer> make_lion(const Groups& groups, const O& o) {
  return std::make_unique<Lion>(groups,
                                LionOptions{.beta1 = o.beta1, .beta2 = o.beta2, .seed = o.seed});
}

std::unique_ptr<Optimizer> make_muon(const Groups& groups, const O& o) {
  return std::make_unique<Muon>(
      groups,
      MuonOptions{.momentum = o.momentum, .nesterov = o.nesterov, .adamw = adamw_options(o)});
}

std::unique_ptr<Optimizer> make_adafactor(const Groups& groups, const O& o) {
  return std::make_unique<Adafactor>(groups, AdafactorOptions{.threshold = o.threshold,
                                                              .scale_parameter = o.relative_step,
                                                              .relative_step = o.relative_step,
                                                              .seed = o.seed});
}

std::unique_ptr<Optimizer> make_adamw8bit(const Groups& groups, const O& o) {
  return std::make_unique<AdamW8bit>(groups, adamw_options(o));
}

const std::vector<Named>& all() {
  static const std::vector<Named> list{
      {"adamw", make_adamw},         {"sgd", make_sgd},
      {"lion", make_lion},           {"muon", make_muon},
      {"adafactor", make_adafactor}, {"adamw8bit", make_adamw8bit}};
  return list;
}

}  // namespace

std::function<bool(const Parameter&)> whole_tensors(const OptimizerOptions& options) {
  if (options.name == "adafactor") return [](const Parameter&) { return true; };
  if (options.name == "muon") return [](const Parameter& p) { return is_hidden_matrix(p); };
  return nullptr;
}

const std::vector<std::string_view>& optimizer_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> out;
    for (const auto& named : all()) out.push_back(named.name);
    return out;
  }();
  return names;
}

std::unique_ptr<Optimizer> make_optimizer(const std::vector<Parameter*>& parameters,
                                          const OptimizerOptions& options) {
  for (const auto& named : all()) {
    if (named.name != options.name) continue;
    auto made =
        named.make(groups_by_pattern(parameters, options.groups, options.weight_decay), options);
    if (options.ema <= 0.0f) return made;
    return with_ema(std::move(made), parameters,
                    {.decay = options.ema, .bias_correction = options.ema_bias_correction});
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("there is no optimizer '{}'; the names: {}", options.name,
                          fmt::join(optimizer_names(), ", ")));
}

std::unique_ptr<Optimizer> make_optimizer(const std::string& name,
                                          const std::vector<Parameter*>& parameters,
                                          OptimizerOptions options) {
  options.name = name;
  return make_optimizer(parameters, options);
}

}  // namespace gigatrain::optim
