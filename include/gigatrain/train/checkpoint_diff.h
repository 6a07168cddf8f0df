// Where two checkpoints differ: tensor by tensor, by their bits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gigatrain/train/checkpoint_files.h"

namespace gigatrain {

// A tensor that is not the same in both.
struct TensorDiff {
  std::string name;
  std::string reason;         // "": dtype and shape agree, values differ; else why it has no counts
  std::int64_t elements = 0;  // of each
  std::int64_t differing = 0;
  double max_abs = 0;  // NaN if a differing pair holds a NaN; 0 for integers and for -0 against 0
};

struct CheckpointDiff {
  std::int64_t same = 0;            // tensors with equal bits
  std::vector<TensorDiff> tensors;  // those that differ, by name
  bool equal() const { return tensors.empty(); }
};

// Of the weights and the optimizer's state.
CheckpointDiff diff_checkpoints(const Checkpoint& a, const Checkpoint& b);
// Two tensors of equal dtype and shape; others get a reason.
TensorDiff diff_tensors(const CheckpointTensor& a, const CheckpointTensor& b);

}  // namespace gigatrain
