// logs/rank_00000.log: what one of several ranks has to say, since only rank 0 has the terminal.
#pragma once

#include <string>

#include "gigatrain/base/error.h"
#include "gigatrain/collectives/operation.h"
#include "gigatrain/train/trainer.h"

namespace gigatrain {

class RankLog {
 public:
  // Continues an existing file.
  RankLog(const std::string& path, int rank, int ranks, const std::string& device);
  ~RankLog();
  RankLog(const RankLog&) = delete;
  RankLog& operator=(const RankLog&) = delete;

  void step(const StepReport& report, std::int64_t memory_bytes);
  // The error, and the operations of this rank before it.
  void error(const Error& error, const OperationLog& operations);

 private:
  void line(const std::string& text);
  std::string path_;
  int file_, rank_;
};

}  // namespace gigatrain
