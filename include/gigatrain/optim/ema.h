// An exponential moving average of the weights (Polyak and Juditsky, 1992), in f32, which often
// evaluates better than the last weights:  average = d average + (1 - d) weights  after each step.
#pragma once

#include <memory>

#include "gigatrain/optim/optimizer.h"

namespace gigatrain::optim {

struct EmaOptions {
  float decay = 0.999f;  // d
  // Weighs the first steps as Adam's correction does: with d_t = d (1 - d^(t-1)) / (1 - d^t) the
  // average is that of the steps so far alone, and the initial weights leave it at step 1. Without
  // it the average begins at the initial weights, and d is fixed.
  bool bias_correction = true;
};

// State: "<parameter>.ema".
class Ema {
 public:
  // Begins at the parameters' values. Frozen parameters are their own average.
  explicit Ema(const std::vector<Parameter*>& parameters, const EmaOptions& options = {});
  ~Ema();

  // After step `step`, counted from 1. `clip`: the step's, whose NaN means that it was skipped.
  void update(std::int64_t step, const Tensor& clip = {});

  // Exchanges weights and average, until the scope ends: evaluate in between. Costs no memory, but
  // for weights in bf16 a copy of them.
  class Swapped {
   public:
    explicit Swapped(Ema* ema);  // none: nothing happens
    ~Swapped();
    Swapped(const Swapped&) = delete;
    Swapped& operator=(const Swapped&) = delete;

   private:
    Ema* ema_;
  };

  std::vector<NamedState> state() const;

 private:
  void swap_in();
  void swap_out();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// `optimizer`, with an average of the weights it updates beside it: kept in its state, hence in
// checkpoints, and found by Optimizer::ema().
std::unique_ptr<Optimizer> with_ema(std::unique_ptr<Optimizer> optimizer,
                                    const std::vector<Parameter*>& parameters,
                                    const EmaOptions& options);

}  // namespace gigatrain::optim
