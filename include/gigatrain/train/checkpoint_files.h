// Checkpoints on disk (docs/checkpoints.md): ckpt/step_00001000/ with the weights as Hugging Face
// reads them, the optimizer's state as each rank wrote it, state.json, and manifest.json with the
// size and SHA-256 of each file and the place of each tensor. A checkpoint is whole or absent: it
// is written into a temporary folder, synced and renamed, and only then does LATEST name it and is
// an older one deleted. Any number of ranks loads what any other number wrote.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "gigatrain/train/safetensors.h"

namespace gigatrain {

class Communicator;

// Everything of a run that is not a tensor.
struct TrainState {
  std::int64_t step = 0;
  std::int64_t tokens = 0;
  std::uint64_t seed = 0;
  std::int64_t leaves = 1;
  std::int64_t scalar_chunk = 4096;  // elements of one partial f64 sum
  double loss_scale = 1.0;
  std::int64_t loss_scale_good_steps = 0;  // since it last changed
  double best_eval_loss = std::numeric_limits<double>::infinity();
  std::string numerics;        // "deterministic"
  std::string schedule;        // TOML
  std::string config;          // TOML, resolved
  std::string dataset_digest;  // hex
  std::string run_name;
  std::string isa;  // instruction-set class: it names the bits
  std::string library_version;
  std::map<std::string, std::string> algorithms;  // choices made by measurement, by operation
  std::uint64_t state_digest = 0;
};

// A state that is in one place.
struct CheckpointContents {
  std::vector<NamedView> model;      // Hugging Face names
  std::vector<NamedView> optimizer;  // "<parameter>.exp_avg", ...
  std::string config_json;
  std::string tokenizer_json;  // "": none
  TrainState state;            // state_digest 0: it is computed
};

struct CheckpointOptions {
  int keep = 2;                 // newest ones; LATEST's and BEST's are never deleted
  std::int64_t keep_every = 0;  // of steps that this divides, every one is kept; 0: none
  std::int64_t max_file_bytes = 5'000'000'000;
  bool is_best = false;  // BEST will name it
};

// Returns the folder made. Saving a step again replaces that step's folder: the new one is complete
// and synced before the old one is moved aside. On failure nothing older is touched and what was
// written is removed.
std::string write_checkpoint(const std::string& ckpt_root, const CheckpointContents& contents,
                             const CheckpointOptions& options = {});

// A tensor of a checkpoint: whole in one file, or in slices, each from the rank that had it.
struct CheckpointTensor {
  struct Slice {
    StoredTensor stored;     // flat
    std::int64_t begin = 0;  // elements of the tensor before it, in row-major order
    std::uint64_t digest = 0;
  };
  std::string name, dtype;  // "F32", as the files spell it
  Shape shape;
  std::uint64_t digest = 0;
  bool weight = false;        // else the optimizer's
  std::vector<Slice> slices;  // by begin; together all of it

  // Elements [begin, begin + count) as they lie in the files: flat, in order.
  std::vector<StoredTensor> pieces(std::int64_t begin, std::int64_t count) const;
  // Copies elements from `begin` on into host memory, contiguous, converting as copy_tensor() does.
  void read(std::int64_t begin, const TensorView& to) const;
};

struct CheckpointOpenOptions {
  bool check_sha256 = true;
  // Of several readers each can check its share of the files' contents: number `reader` of
  // `readers`. Sizes, headers and texts are checked by each.
  int reader = 0, readers = 1;
};

class Checkpoint {
 public:
  // `path`: a step's folder, or a ckpt/ or run folder, whose LATEST is followed. What is damaged is
  // Error(corrupt) that names the file, what differs and where.
  static Checkpoint open(const std::string& path, const CheckpointOpenOptions& options = {});

  const std::string& folder() const { return folder_; }
  const TrainState& state() const { return state_; }
  const ModelFiles& model() const { return model_; }
  const std::map<std::string, CheckpointTensor>& tensors() const { return tensors_; }
  const CheckpointTensor* find(const std::string& name) const;  // null: not here
  std::int64_t ranks() const { return ranks_; }                 // that wrote it
  const std::string& config_json() const { return config_json_; }
  const std::string& tokenizer_json() const { return tokenizer_json_; }
  std::int64_t bytes() const { return bytes_; }  // of all files

 private:
  std::string folder_, config_json_, tokenizer_json_;
  TrainState state_;
  ModelFiles model_;
  std::vector<ModelFiles> optimizer_;  // by writer
  std::map<std::string, CheckpointTensor> tensors_;
  std::int64_t ranks_ = 1, bytes_ = 0;
};

struct CheckpointReport {
  std::string folder;
  std::int64_t step = 0, tensors = 0, bytes = 0;
  std::uint64_t state_digest = 0;
  std::vector<std::string> problems;  // empty: it is whole
  bool whole() const { return problems.empty(); }
};

// Every file's size and SHA-256, every tensor's digest and the state's. Damage is reported, not
// thrown; a path that holds no checkpoint throws.
CheckpointReport verify_checkpoint(const std::string& path);

struct CheckpointEntry {
  std::string name, folder;  // "step_00001000"
  std::int64_t step = 0;
  bool latest = false, best = false;
};

// By step, oldest first. `path` as in Checkpoint::open; no checkpoints: an empty list.
std::vector<CheckpointEntry> list_checkpoints(const std::string& path);

// The newest checkpoint that opens, newest first; one line to `warnings` for each that does not.
// Throws Error(corrupt) when none does. `ranks`: who open it together, each checking its share of
// the files, and all the same one; null: nobody.
Checkpoint newest_whole(const std::string& path, std::vector<std::string>* warnings = nullptr,
                        Communicator* ranks = nullptr);

}  // namespace gigatrain
