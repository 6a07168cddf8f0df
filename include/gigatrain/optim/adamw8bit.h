// AdamW with its moments in 8 bits, by blocks: Dettmers et al., arXiv:2110.02861. State is 2 bytes
// a weight in place of 8, and one f32 scale for each 256 weights and moment.
#pragma once

#include <memory>

#include "gigatrain/optim/adamw.h"

namespace gigatrain::optim {

// State: "<parameter>.exp_avg_8bit" (u8), ".exp_avg_absmax" (f32, one for each 256 weights), and
// those of exp_avg_sq; parameters of less than kSmallest elements have AdamW's own, in f32.
class AdamW8bit : public Optimizer {
 public:
  static constexpr std::int64_t kSmallest = 4096;

  // Matrices decay, vectors do not.
  explicit AdamW8bit(const std::vector<Parameter*>& parameters, const AdamWOptions& options = {});
  // Groups of your own; options.weight_decay is not used.
  AdamW8bit(const std::vector<ParameterGroup>& groups, const AdamWOptions& options);
  ~AdamW8bit() override;

  void step(const StepOptions& options) override;
  std::vector<NamedState> state() override;
  const char* name() const override { return "adamw8bit"; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gigatrain::optim
