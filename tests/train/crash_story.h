// Saves, one after the other, on one recorded disk, and what may be found there at each moment.
#pragma once

#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gigatrain/base/error.h"
#include "support/recording_disk.h"
#include "train/checkpoint_files_internal.h"
#include "train/temporary_folder.h"
#include "train/tiny_checkpoint.h"

namespace gigatrain::testing {

// Save number `id` of a story: every tensor begins and ends with it. Some files have many blocks.
class StoryState {
 public:
  CheckpointContents at(std::int64_t step, int id) {
    CheckpointContents contents = tiny_.at(step);
    tiny_.weight[0] = static_cast<float>(id);
    big_.assign(2500, static_cast<float>(id));
    contents.model.push_back({"big", {big_.data(), DType::f32, {2500}}});
    contents.optimizer.push_back({"big.exp_avg", {big_.data(), DType::f32, {2500}}});
    return contents;
  }

 private:
  TinyState tiny_;
  std::vector<float> big_;
};

inline int id_of(const Checkpoint& checkpoint) {
  const int id = static_cast<int>(first_weight(checkpoint));
  for (const char* name : {"big", "big.exp_avg"}) {
    std::vector<float> big(2500);
    checkpoint.tensors().at(name).read(0, {big.data(), DType::f32, {2500}});
    for (const float x : big)
      if (x != static_cast<float>(id)) throw Error(ErrorCode::corrupt, "values of two saves");
  }
  return id;
}

inline void save_on_one_rank(FileSystem& files, const std::string& root,
                             const CheckpointContents& contents, const CheckpointOptions& options) {
  write_checkpoint(files, root, contents, options);
}

class CrashStory {
 public:
  using Write = std::function<void(FileSystem&, const std::string& root, const CheckpointContents&,
                                   const CheckpointOptions&)>;
  // What may be found: saves by number, 0: none.
  struct Legal {
    std::set<int> newest = {0}, best = {0};
  };

  explicit CrashStory(bool can_exchange = true, Write write = save_on_one_rank)
      : write_(std::move(write)) {
    std::filesystem::create_directory(home_ / "run");
    disk_.can_exchange = can_exchange;
  }

  // The next save, of which the process is killed after so many operations, or not. Returns
  // whether it was.
  bool save(std::int64_t step, const CheckpointOptions& options,
            std::size_t operations = SIZE_MAX) {
    const int id = ++saves_;
    const std::size_t before = recording().operations.size();
    disk_.killed_after = operations == SIZE_MAX ? SIZE_MAX : before + operations;
    bool killed = false;
    try {
      write_(disk_, home_ / "run/ckpt", state_.at(step, id), options);
    } catch (const RecordingDisk::Killed&) {
      killed = true;
    }
    Legal during = after_.back().legal;
    during.newest.insert(id);
    if (options.is_best) during.best.insert(id);
    const Legal after =
        killed ? during
               : Legal{.newest = {id},
                       .best = options.is_best ? std::set{id} : after_.back().legal.best};
    during_.push_back(during);
    after_.push_back({recording().operations.size(), after});
    return killed;
  }

  const Recording& recording() const { return disk_.recording(); }
  // The first operation of the last save.
  std::size_t begin_of_last() const { return after_[after_.size() - 2].operations; }
  // After so many operations.
  const Legal& legal(std::size_t operations) const {
    std::size_t i = after_.size() - 1;
    while (after_[i].operations > operations) --i;
    return after_[i].operations == operations ? after_[i].legal : during_[i];
  }

 private:
  struct After {
    std::size_t operations;
    Legal legal;
  };
  TemporaryFolder home_{memory_folder()};
  RecordingDisk disk_{home_ / "run"};
  Write write_;
  StoryState state_;
  int saves_ = 0;
  std::vector<After> after_ = {{0, {}}};
  std::vector<Legal> during_;  // what may be found while the next save is under way
};

}  // namespace gigatrain::testing
