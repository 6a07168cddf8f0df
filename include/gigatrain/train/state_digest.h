// One 64-bit number for a tensor and for a whole training state. It does not depend on how the
// state is sharded or in which order it is visited, so two runs compare by one number.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "gigatrain/collectives/communicator.h"
#include "gigatrain/optim/optimizer.h"
#include "gigatrain/tensor/parameter.h"

namespace gigatrain {

std::uint64_t digest(const Tensor& tensor);  // contiguous, any dtype

struct StateDigest {
  std::map<std::string, std::uint64_t> tensors;  // parameters and "<parameter>.<state>"
  std::uint64_t value = 0;                       // of everything, names included
  std::string hex() const;                       // 16 digits
};

// Weights and optimizer state; optimizer may be null. `ranks`: who share the state, each calling
// this; the digest is the same on all, and that of one rank with the same state.
StateDigest state_digest(const std::vector<Parameter*>& parameters, optim::Optimizer* optimizer,
                         Communicator* ranks = nullptr);

}  // namespace gigatrain
