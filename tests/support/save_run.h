// A checkpoint of what a model and an optimizer are now, waited for.
#pragma once

#include <string>

#include "support/tiny_run.h"
#include "train/run_checkpoints.h"

namespace gigatrain::test {

// Where a run is; its configuration is of no interest.
inline TrainState state_of(const TinyRun& run) {
  TrainState state;
  state.step = run.trainer->steps_done();
  state.tokens = run.trainer->tokens_done();
  state.config = "[train]\nsteps = 6\n";
  return state;
}

// The folder that was made; with `ranks`, on rank 0.
inline std::string save_run(const std::string& root, nn::Model& model, optim::Optimizer& optimizer,
                            const TrainState& state = {}, Communicator* ranks = nullptr,
                            FileSystem& files = FileSystem::real()) {
  std::string folder;
  RunCheckpoints checkpoints({.root = root,
                              .checkpoint = {},
                              .on_saved = [&](const auto& s) { folder = s.written.folder; },
                              .on_warning = [](const std::string&) {},
                              .files = &files},
                             {model, optimizer, nullptr, ranks});
  checkpoints.save(state, false);
  return folder;
}

}  // namespace gigatrain::test
