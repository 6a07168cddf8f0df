// Adafactor: Shazeer and Stern, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost",
// arXiv:1804.04235, without momentum. The second moment of a matrix is the product of its rows' and
// its columns' means, so state is rows + columns values in place of rows * columns.
#pragma once

#include <memory>

#include "gigatrain/optim/optimizer.h"

namespace gigatrain::optim {

struct AdafactorOptions {
  float weight_decay = 0.0f;  // decoupled; for the two default groups
  float eps1 = 1e-30f;        // added to squared gradients
  float eps2 = 1e-3f;         // least size of a weight, for scale_parameter
  float threshold = 1.0f;     // largest root mean square of an update (d in the paper)
  float decay_power = 0.8f;   // the means decay by 1 - step^-decay_power
  // true: each tensor's rate is multiplied by the root mean square of its weights.
  bool scale_parameter = false;
  // true: the rate is min(0.01, 1 / sqrt(step)), as in the paper, in place of the step's lr; it
  // goes with scale_parameter.
  bool relative_step = false;
  std::uint64_t seed = 0;  // of stochastic rounding, for weights without an f32 master
};

// A parameter of more than two dims is the matrix of its last dim and all others. State:
// "<parameter>.exp_avg_sq_row" and ".exp_avg_sq_col"; of a vector "<parameter>.exp_avg_sq".
class Adafactor : public Optimizer {
 public:
  // Matrices decay, vectors do not.
  explicit Adafactor(const std::vector<Parameter*>& parameters,
                     const AdafactorOptions& options = {});
  // Groups of your own; options.weight_decay is not used.
  Adafactor(const std::vector<ParameterGroup>& groups, const AdafactorOptions& options);
  ~Adafactor() override;

  void step(const StepOptions& options) override;
  std::vector<NamedState> state() override;
  const char* name() const override { return "adafactor"; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gigatrain::optim
