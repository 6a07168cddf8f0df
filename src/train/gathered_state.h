// A training state that ranks share, brought together on one of them, and given back.
#pragma once

#include <vector>

#include "gigatrain/collectives/communicator.h"
#include "gigatrain/optim/optimizer.h"
#include "gigatrain/train/safetensors.h"
#include "train/tensor_transfer.h"

namespace gigatrain {

// The weights, then what the optimizer keeps (null: nothing).
std::vector<optim::NamedState> training_state(const std::vector<Parameter*>& parameters,
                                              optim::Optimizer* optimizer);

// On rank `root`: a copy of every tensor as a whole, in memory that `keep` holds; elsewhere
// nothing. Every rank calls it with the same names.
std::vector<NamedView> gather_state(const std::vector<optim::NamedState>& state,
                                    Communicator& ranks, int root, HostCopies& keep);

// Of a whole tensor, what is own.
void load_own(const StoredTensor& whole, const optim::NamedState& to);

}  // namespace gigatrain
