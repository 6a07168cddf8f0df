// runs/<name>/: run.json, config.toml, metrics.jsonl, logs/, trace/, ckpt/. Opening one finds a
// read-only or full disk before training begins, refuses a folder that holds another run, and locks
// it, so that two processes never train into one folder.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "gigatrain/train/training_run.h"

namespace gigatrain {

struct RunFolderOptions {
  RunMode mode = RunMode::fresh;
  std::string config_toml;                    // resolved; compared with the one in the folder
  std::int64_t bytes_needed = 0;              // an estimate of what the run will write
  std::map<std::string, std::string> record;  // further facts for run.json (seed, device, ...)
};

class RunFolder {
 public:
  static RunFolder create(const std::string& dir, const std::string& name,
                          const RunFolderOptions& options);

  // Of a rank beside the one that created it, which holds the lock.
  static RunFolder joined(const std::string& dir, const std::string& name);

  const std::string& path() const { return path_; }
  // What its file system promises less of than a local disk; "": nothing.
  const std::string& warning() const { return warning_; }
  std::string checkpoints() const { return path_ + "/ckpt"; }
  std::string metrics() const { return path_ + "/metrics.jsonl"; }
  std::string log(int rank = 0) const;    // logs/rank_00000.log
  std::string trace(int rank = 0) const;  // trace/rank_00000.json

  // Has somebody asked for a checkpoint? Once: the request is gone.
  bool take_request() const;

  struct Lock;

 private:
  std::string path_, warning_;
  std::shared_ptr<Lock> lock_;  // held until the last copy is gone, or the process is
};

// Asks the process that trains into this folder, whichever it is, for a checkpoint of the step at
// hand; it does not stop for it. The same as `touch runs/NAME/SAVE`. Throws Error(io) when it is no
// run folder.
void request_checkpoint(const std::string& run_folder);

}  // namespace gigatrain
