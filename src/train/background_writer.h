// Writes checkpoints, one at a time, on a thread of its own while training goes on: the digests,
// the hashes, the files and the commit, by the same protocol as a save that is waited for.
#pragma once

#include <future>
#include <optional>
#include <string>

#include "train/checkpoint_files_internal.h"

namespace gigatrain {

class BackgroundWriter {
 public:
  struct Saved {
    WrittenCheckpoint written;
    std::int64_t step = 0, tokens = 0;
    double stall_ms = 0, write_ms = 0;  // training waited; from begin() until it was durable
  };

  BackgroundWriter(FileSystem& files, std::string ckpt_root);
  ~BackgroundWriter();  // waits
  BackgroundWriter(const BackgroundWriter&) = delete;
  BackgroundWriter& operator=(const BackgroundWriter&) = delete;

  // What `contents` views must stay as it is until the result is there. `stall_ms`: what the copy
  // took. None may be in flight: wait() first.
  void begin(CheckpointContents contents, const CheckpointOptions& options, double stall_ms);
  // The step in flight, whose result nobody has taken yet.
  std::optional<std::int64_t> in_flight() const;
  // The result of the one in flight, once it is durable; throws what it threw. wait() waits for it.
  std::optional<Saved> poll();
  std::optional<Saved> wait();

 private:
  FileSystem& files_;
  std::string root_;
  std::future<Saved> job_;
  std::int64_t step_ = 0;
};

}  // namespace gigatrain
