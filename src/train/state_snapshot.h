// A copy of a training state in host memory, from which a checkpoint is written while training goes
// on. Taking it costs a copy of the state's bytes; the memory stays for the next one.
#pragma once

#include "gigatrain/nn/model.h"
#include "gigatrain/optim/optimizer.h"
#include "gigatrain/runtime/storage.h"
#include "gigatrain/train/checkpoint_files.h"
#include "gigatrain/train/tokenizer.h"

namespace gigatrain {

class StateSnapshot {
 public:
  // Takes the memory, which take() does too when it is there for the first time.
  void reserve(nn::Model& model, optim::Optimizer& optimizer);

  // What checkpoint_contents() gives, as views of the copy, which the next call overwrites. Returns
  // when all is copied. The digests are left to whoever writes it.
  CheckpointContents take(nn::Model& model, optim::Optimizer& optimizer, const Tokenizer* tokenizer,
                          TrainState state);

 private:
  Storage memory_;
};

}  // namespace gigatrain
