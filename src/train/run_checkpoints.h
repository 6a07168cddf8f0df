// The saves of one run: in the background or waited for, one after the other, each told of once it
// is durable.
#pragma once

#include <functional>
#include <string>

#include "gigatrain/collectives/communicator.h"
#include "gigatrain/nn/model.h"
#include "gigatrain/optim/optimizer.h"
#include "train/background_writer.h"
#include "train/state_snapshot.h"

namespace gigatrain {

class RunCheckpoints {
 public:
  struct Options {
    std::string root;  // of ckpt/
    int keep = 2;
    std::function<void(const BackgroundWriter::Saved&)> on_saved;
    std::function<void(const std::string&)> on_warning;
    FileSystem& files = FileSystem::real();
  };
  // What is saved.
  struct Source {
    nn::Model& model;
    optim::Optimizer& optimizer;
    const Tokenizer* tokenizer;  // null: none
    Communicator* ranks =
        nullptr;  // who share the state: rank 0 writes, and each saves; null: none
  };
  RunCheckpoints(Options options, const Source& source);

  // Training goes on when it returns, and the checkpoint is told of later. One that is still being
  // written is waited for first, with a warning.
  void save_in_background(const TrainState& state, bool is_best);
  // Durable when it returns, without a copy of the state.
  void save(const TrainState& state, bool is_best);
  // Tells of what has become durable since, and throws what the writing of it threw.
  void poll();
  // Both, once nothing is in flight.
  void settle();

 private:
  CheckpointOptions options_of(bool is_best) const;
  void wait_for_the_one_before(std::int64_t step);
  bool writes() const { return !source_.ranks || source_.ranks->rank() == 0; }
  Options options_;
  Source source_;
  StateSnapshot snapshot_;
  BackgroundWriter writer_;  // after the snapshot that it reads: destroyed first
};

}  // namespace gigatrain
