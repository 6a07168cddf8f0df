// Muon (Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024,
// https://kellerjordan.github.io/posts/muon): a matrix moves along the nearest orthogonal matrix to
// its momentum, found by five Newton-Schulz steps
//
//   X <- 3.4445 X - 4.7750 A X + 2.0315 A^2 X,   A = X X^T,   from X = M / |M|
//
// which leaves singular values between about 0.7 and 1.2. The update is scaled by
// 0.2 sqrt(max(rows, columns)) (Liu et al., "Muon is scalable for LLM training", arXiv:2502.16982),
// the root mean square of AdamW's updates, so that one learning rate and decay serve both.
#pragma once

#include <memory>

#include "gigatrain/optim/adamw.h"
#include "gigatrain/optim/optimizer.h"

namespace gigatrain::optim {

struct MuonOptions {
  float weight_decay = 0.1f;  // decoupled; for the two default groups
  float momentum = 0.95f;
  bool nesterov = true;
  // Muon is for hidden matrices: parameters that are no matrix, and those whose names match one of
  // these patterns (groups.h), embeddings and heads, are AdamW's.
  std::vector<std::string> adamw_names = {"*wte.*", "*wpe.*", "*embed*", "*head.*"};
  AdamWOptions adamw = {};  // its weight_decay is not used
};

// Is the parameter Muon's, not AdamW's?
bool is_hidden_matrix(const Parameter& parameter, const MuonOptions& options = {});

// A parameter of several parts (Parameter::parts), such as a fused query, key and value, counts as
// that many matrices. Products are in the parameter's compute dtype with sums in f32. Gradient
// clipping reaches the momentum; a matrix's update has a size of its own.
// State: "<parameter>.momentum_buffer", or AdamW's.
class Muon : public Optimizer {
 public:
  // Matrices decay, vectors do not.
  explicit Muon(const std::vector<Parameter*>& parameters, const MuonOptions& options = {});
  // Groups of your own; options.weight_decay is not used.
  Muon(const std::vector<ParameterGroup>& groups, const MuonOptions& options);
  ~Muon() override;

  void step(const StepOptions& options) override;
  std::vector<NamedState> state() override;
  const char* name() const override { return "muon"; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gigatrain::optim
