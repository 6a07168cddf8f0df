// A checkpoint of what a model and an optimizer are now, waited for.
#pragma once

#include <string>

#include "train/run_checkpoints.h"

namespace gigatrain::test {

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
