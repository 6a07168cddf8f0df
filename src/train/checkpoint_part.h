// What one rank writes of a checkpoint, and which rank writes what.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "gigatrain/base/tensor_view.h"
#include "gigatrain/optim/optimizer.h"
#include "train/tensor_transfer.h"

namespace gigatrain {

// The tensors of a state: weights, and what the optimizer keeps.
struct LiveState {
  std::vector<optim::NamedState> model, optimizer;
};

// A tensor, or a run of its elements in row-major order.
struct PartTensor {
  std::string name;
  TensorView view;  // contiguous, in host memory: all of the tensor, or flat
  Shape whole;
  std::int64_t begin = 0;  // elements of the whole before it
};

// Of files of weights: transformers refuses those without it.
extern const std::map<std::string, std::string> kModelMetadata;

struct PartFile {
  std::string name;
  std::map<std::string, std::string> metadata;
  std::vector<PartTensor> tensors;
};

struct CheckpointPart {
  std::vector<PartFile> files;
  HostCopies keep;  // values of tensors whose own memory the host cannot read
};

// Who writes what, as a function of the state's names and shapes and of the number of ranks alone.
// Weights stand whole in files cut by bytes, so those are the same on any number of ranks; what
// ranks share of the optimizer's state is written by its owners, the rest by one rank each.
class CheckpointLayout {
 public:
  struct ModelFile {
    std::string name;
    int rank = 0;
    std::vector<std::size_t> tensors;  // of the model, in name order
  };

  struct Item {
    std::string name;
    std::int64_t bytes = 0;  // of the whole tensor
    bool shared = false;
  };
  CheckpointLayout(const std::vector<Item>& model, const std::vector<Item>& optimizer, int ranks,
                   std::int64_t max_file_bytes);
  CheckpointLayout(const LiveState& state, int ranks, std::int64_t max_file_bytes);

  const std::vector<ModelFile>& model_files() const { return model_files_; }
  bool writes(int rank, std::size_t optimizer_tensor) const {
    const int writer = writers_[optimizer_tensor];
    return writer == kOwners || writer == rank;
  }
  std::string optimizer_file(int rank) const;

 private:
  static constexpr int kOwners = -1;
  int ranks_;
  std::vector<ModelFile> model_files_;
  std::vector<int> writers_;  // by tensor of the optimizer
};

inline std::int64_t bytes_of(const optim::NamedState& s) {  // of the whole tensor
  return s.whole.numel() * size_of(s.tensor.dtype());
}

}  // namespace gigatrain
