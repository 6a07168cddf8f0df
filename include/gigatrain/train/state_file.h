// A training state as one file, for a loop of one's own: weights and what the optimizer keeps, as
// whole tensors by name (safetensors). Ranks that share a state write one file together; any number
// of them, at any stage of ZeRO, continues from it with the same bits.
//
//   gt::save_state("state.safetensors", *model, adamw, {.step = 100, .ranks = &ranks});
//   const std::int64_t step = gt::load_state("state.safetensors", *model, adamw, &ranks);
#pragma once

#include <cstdint>
#include <string>

#include "gigatrain/collectives/communicator.h"
#include "gigatrain/nn/layer.h"
#include "gigatrain/optim/optimizer.h"

namespace gigatrain {

struct SaveStateOptions {
  std::int64_t step = 0;          // done; load_state() returns it
  Communicator* ranks = nullptr;  // who share the state, each calling this: rank 0 writes
};

// The file is replaced as a whole, and durable on return, on every rank.
void save_state(const std::string& path, nn::Layer& model, optim::Optimizer& optimizer,
                const SaveStateOptions& options = {});

// Overwrites weights and optimizer state, of shared ones what is own, and returns the step. Throws
// Error(corrupt) that names the tensor when the file is of another model or optimizer, before
// anything is written; or when the state's digest is not what was saved.
std::int64_t load_state(const std::string& path, nn::Layer& model, optim::Optimizer& optimizer,
                        Communicator* ranks = nullptr);

}  // namespace gigatrain
