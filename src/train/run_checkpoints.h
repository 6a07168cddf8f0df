// The checkpoints of a run: saved while training goes on or waited for, by every rank of it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/timer.h"
#include "gigatrain/collectives/communicator.h"
#include "gigatrain/train/tokenizer.h"
#include "train/checkpoint_save.h"
#include "train/state_snapshot.h"

namespace gigatrain {

class RunCheckpoints {
 public:
  struct Saved {
    WrittenCheckpoint written;
    std::int64_t step = 0, tokens = 0;
    double stall_ms = 0, write_ms = 0;  // training waited; until it was durable
  };
  // Both are called on rank 0 alone.
  struct Options {
    std::string root;  // the ckpt/ folder
    CheckpointOptions checkpoint;
    std::function<void(const Saved&)> on_saved;
    std::function<void(const std::string&)> on_warning;
    double bandwidth = 0;  // bytes/s that a rank writes at most, in the background; 0: no limit
    FileSystem* files = &FileSystem::real();
  };
  struct Source {
    nn::Model& model;
    optim::Optimizer& optimizer;
    const Tokenizer* tokenizer = nullptr;
    Communicator* ranks = nullptr;  // who share the state; null: nobody
  };

  RunCheckpoints(Options options, const Source& source);

  // Every rank calls these together.
  //
  // Returns when the state is copied. One that is not over yet is waited for first, with a warning
  // once.
  // A save that fails, now or later, is a warning: the one before it stays.
  void save_in_background(const TrainState& state, bool is_best);
  // Returns when the checkpoint is durable; throws on all ranks what went wrong.
  void save(const TrainState& state, bool is_best);
  void poll();    // after each step
  void settle();  // waits for the one in flight

 private:
  struct InFlight {
    std::unique_ptr<CheckpointSave> save;
    std::int64_t tokens = 0;
    double stall_ms = 0;
    Timer since = {};
  };
  void begin(const TrainState& state, bool is_best, StateSnapshot::Values values);
  void wait_for_the_one_before(std::int64_t step);
  void finish();  // the one in flight, which is durable
  void or_warn(std::int64_t step, const std::function<void()>& saving);
  bool leads() const { return ranks_.rank() == 0; }

  Options options_;
  Source source_;
  std::unique_ptr<Communicator> alone_;  // where there are no ranks
  Communicator& ranks_;
  StateSnapshot snapshot_;
  bool told_to_wait_ = false;
  std::optional<InFlight> in_flight_;  // after the snapshot that it reads: destroyed first
};

}  // namespace gigatrain
