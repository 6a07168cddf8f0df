// Optimizers by name, as a configuration chooses them.
//
//   auto optimizer = make_optimizer("lion", nn::trainable_parameters(*model), {.beta2 = 0.99f});
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gigatrain/optim/groups.h"
#include "gigatrain/optim/optimizer.h"

namespace gigatrain::optim {

// Those that a rule does not have are not used; the defaults are the configuration's.
struct OptimizerOptions {
  std::string name = "adamw";
  float weight_decay = 0.1f;
  float beta1 = 0.9f, beta2 = 0.95f;  // adamw, adamw8bit, lion, and what muon leaves to AdamW
  float eps = 1e-8f;
  float momentum = 0.95f;      // sgd, muon
  bool nesterov = true;        // sgd (with a momentum), muon
  bool decoupled = false;      // sgd: weight decay as AdamW's, not L2
  float threshold = 1.0f;      // adafactor: largest root mean square of an update
  bool relative_step = false;  // adafactor: the paper's own rate, scaled by the size of the weights
  std::vector<GroupRule> groups = {};
  float ema = 0.0f;  // > 0: decay of an average of the weights that is kept beside them
  bool ema_bias_correction = true;
  std::uint64_t seed = 0;  // of stochastic rounding
};

// Which parameters the optimizer updates as whole tensors, so that ranks must not cut them
// (parallel::DataParallelOptions::whole): Muon's hidden matrices, all of Adafactor's. Null: none.
std::function<bool(const Parameter&)> whole_tensors(const OptimizerOptions& options);

// The names: "adamw", "sgd", "lion", "muon", "adafactor", "adamw8bit".
const std::vector<std::string_view>& optimizer_names();

// Throws Error(invalid_argument) for an unknown name, and what the optimizers throw.
std::unique_ptr<Optimizer> make_optimizer(const std::vector<Parameter*>& parameters,
                                          const OptimizerOptions& options);
std::unique_ptr<Optimizer> make_optimizer(const std::string& name,
                                          const std::vector<Parameter*>& parameters,
                                          OptimizerOptions options = {});

}  // namespace gigatrain::optim
