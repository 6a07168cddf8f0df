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

// Brings tensors of a state together, one at a time. Every rank makes it and makes the same calls.
class StateGatherer {
 public:
  StateGatherer(const std::vector<optim::NamedState>& state, Communicator& ranks);
  // The tensor as a whole goes to `whole` on rank `root`, which is not looked at elsewhere; host
  // memory, contiguous. What is not shared is copied there without the others. Blocks.
  void gather(std::size_t tensor, int root, const TensorView& whole) const;

 private:
  std::int64_t begin(int rank, std::size_t tensor) const { return at(rank, tensor)[0]; }
  std::int64_t count(int rank, std::size_t tensor) const { return at(rank, tensor)[1]; }
  const std::int64_t* at(int rank, std::size_t tensor) const {
    return &parts_[2 * (static_cast<std::size_t>(rank) * state_.size() + tensor)];
  }
  const std::vector<optim::NamedState>& state_;
  Communicator& ranks_;
  std::vector<std::int64_t> parts_;  // begin and count, by rank, then by tensor
};

// On rank `root`: a copy of every tensor as a whole, in memory that `keep` holds; elsewhere
// nothing. Every rank calls it with the same names.
std::vector<NamedView> gather_state(const std::vector<optim::NamedState>& state,
                                    Communicator& ranks, int root, HostCopies& keep);

// Of a whole tensor, what is own.
void load_own(const StoredTensor& whole, const optim::NamedState& to);

}  // namespace gigatrain
