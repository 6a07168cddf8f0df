// One save of a checkpoint by all ranks: a thread of rank 0 makes a folder for it, one of each rank
// writes its part, one of rank 0 commits it, while training goes on. The ranks talk between steps
// only, by the communicator that training uses, so a slow disk holds up nothing but the checkpoint.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <string>
#include <vector>

#include "gigatrain/collectives/communicator.h"
#include "train/checkpoint_files_internal.h"
#include "train/give_way.h"

namespace gigatrain {

class CheckpointSave {
 public:
  struct Request {
    std::string root;  // the ckpt/ folder
    CheckpointTexts texts;
    CheckpointOptions options;
    bool in_background = true;  // training goes on beside it and comes first
    double bandwidth = 0;       // then: bytes/s that a rank writes at most; 0: no limit
  };

  // Every rank makes one, with its own part, which stays as it is until the save is over.
  CheckpointSave(FileSystem& files, Communicator& ranks, Request request, CheckpointPart part);
  ~CheckpointSave();  // waits for this rank's thread; what is not committed by then goes
  CheckpointSave(const CheckpointSave&) = delete;
  CheckpointSave& operator=(const CheckpointSave&) = delete;

  std::int64_t step() const { return request_.texts.state.step; }
  // Every rank calls it at the same moments, until it returns true: the checkpoint is durable.
  // Throws on all ranks what one of them met; nothing is left of the checkpoint then.
  bool poll();
  void wait();                                                   // polls until then
  const WrittenCheckpoint& written() const { return written_; }  // on rank 0, when it is durable

 private:
  enum class Phase { beginning, writing, committing, over };
  std::string begin();
  std::string write();
  std::string commit(const std::vector<std::string>& manifests);
  void start(std::function<std::string()> work);
  void go_on();
  void hurry();
  void abandon();

  FileSystem& files_;
  Communicator& ranks_;
  Request request_;
  CheckpointPart part_;
  std::string temporary_;
  Phase phase_ = Phase::beginning;
  WrittenCheckpoint written_;
  std::atomic<bool> hurry_ = false;  // training waits
  GiveWay give_way_;
  std::future<std::string> job_;  // of this rank's thread: an outcome (together.h)
};

}  // namespace gigatrain
