// A training state to and from a checkpoint.
#pragma once

#include "gigatrain/nn/model.h"
#include "gigatrain/optim/optimizer.h"
#include "gigatrain/train/checkpoint_files.h"
#include "gigatrain/train/config.h"
#include "gigatrain/train/state_digest.h"
#include "gigatrain/train/tokenizer.h"
#include "train/checkpoint_files_internal.h"

namespace gigatrain {

LiveState live_state(nn::Model& model, optim::Optimizer& optimizer);

// What a checkpoint says besides tensors.
CheckpointTexts texts_of(const nn::Model& model, const Tokenizer* tokenizer, TrainState state);

// Copies weights and optimizer state in, of shared ones what is own, and checks the state digest.
// Throws Error(corrupt) naming the tensor that is missing or has another shape, when the checkpoint
// is of another model. `ranks`: who share the state, each calling this; null: nobody.
void restore(const Checkpoint& checkpoint, nn::Model& model, optim::Optimizer& optimizer,
             Communicator* ranks = nullptr);

// A run can only be continued as what it is: same seed, batch tree, numerics and data. Throws
// Error(invalid_argument) that lists every difference. Returns warnings for what changes bits but
// is allowed (another class of vector code).
std::vector<std::string> check_resumable(const TrainState& saved, const TrainState& now);

}  // namespace gigatrain
