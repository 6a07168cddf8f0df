// A training state that ranks share, brought together on one of them.
#pragma once

#include <vector>

#include "gigatrain/collectives/communicator.h"
#include "gigatrain/optim/optimizer.h"
#include "gigatrain/train/safetensors.h"
#include "train/tensor_transfer.h"

namespace gigatrain {

// On rank `root`: a copy of every tensor as a whole, in memory that `keep` holds; elsewhere
// nothing. Every rank calls it with the same names.
std::vector<NamedView> gather_state(const std::vector<optim::NamedState>& state,
                                    Communicator& ranks, int root, HostCopies& keep);

}  // namespace gigatrain
