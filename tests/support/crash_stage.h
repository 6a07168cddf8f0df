// Puts states after a crash (crash_states.h) into a real folder, one after the other: each content
// is written once and linked from then on, and of a state only what differs from the last is
// touched.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "support/crash_states.h"
#include "train/temporary_folder.h"

namespace gigatrain::testing {

class CrashStage {
 public:
  CrashStage() : home_(memory_folder()) {
    std::filesystem::create_directory(home_ / "store");
    std::filesystem::create_directory(folder());
  }
  std::string folder() const { return home_ / "disk"; }

  void show(const CrashTree& tree) {
    const auto& before = shown_.entries;
    for (auto it = before.rbegin(); it != before.rend(); ++it) {  // what is in a folder before it
      const auto now = tree.entries.find(it->first);
      if (now == tree.entries.end() || now->second != it->second) ::remove(path(it->first).c_str());
    }
    for (const auto& [name, blob] : tree.entries) {
      const auto was = before.find(name);
      if (was != before.end() && was->second == blob) continue;
      blob ? place(*blob, path(name))
           : static_cast<void>(std::filesystem::create_directory(path(name)));
    }
    shown_ = tree;
  }

  // After something else has changed the folder.
  void clear() {
    std::filesystem::remove_all(folder());
    std::filesystem::create_directory(folder());
    shown_ = {};
  }

 private:
  std::string path(const std::string& name) const { return folder() + "/" + name; }

  void place(const Blob& blob, const std::string& at) const {
    const std::string stored = home_ / ("store/" + std::to_string(blob.hash));
    if (::access(stored.c_str(), F_OK) != 0) std::ofstream(stored, std::ios::binary) << blob.bytes;
    std::filesystem::create_hard_link(stored, at);
  }

  TemporaryFolder home_;
  CrashTree shown_;
};

}  // namespace gigatrain::testing
