// What one rank writes of a checkpoint, as a copy in host memory, so that it can be written while
// training goes on. Taking it costs a copy of the bytes; the memory stays for the next one.
#pragma once

#include "gigatrain/collectives/communicator.h"
#include "gigatrain/nn/model.h"
#include "gigatrain/runtime/storage.h"
#include "gigatrain/train/checkpoint_files.h"
#include "train/checkpoint_part.h"

namespace gigatrain {

class StateSnapshot {
 public:
  enum class Values {
    copies,
    live,  // views of the tensors themselves where the host can read them: nothing may change
  };

  explicit StateSnapshot(std::int64_t max_file_bytes = CheckpointOptions().max_file_bytes)
      : max_file_bytes_(max_file_bytes) {}

  // Of a rank's copies.
  std::int64_t bytes(nn::Model& model, optim::Optimizer& optimizer, int rank, int ranks) const;
  // Takes that memory, which take() does too when it is there for the first time.
  void reserve(nn::Model& model, optim::Optimizer& optimizer, int rank = 0, int ranks = 1);

  // Every rank calls it: weights that they share are brought to the rank that writes them. Returns
  // when all is copied; the next call overwrites it.
  CheckpointPart take(nn::Model& model, optim::Optimizer& optimizer, Communicator& ranks,
                      Values values = Values::copies);

 private:
  void reserve(Device& device, std::int64_t bytes);
  std::int64_t max_file_bytes_;
  Storage memory_;
};

}  // namespace gigatrain
