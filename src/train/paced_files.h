// Writes files no faster than so many bytes a second, for a disk or a network that others share.
#pragma once

#include <atomic>

#include "base/timer.h"
#include "train/atomic_file.h"

namespace gigatrain {

class PacedFiles final : public FileSystem {
 public:
  // bandwidth: bytes/s, above 0. `hurry`: once true there is no limit any more.
  PacedFiles(FileSystem& files, double bandwidth, const std::atomic<bool>& hurry)
      : files_(files), bandwidth_(bandwidth), hurry_(hurry) {}

  int create(const std::string& path) override { return files_.create(path); }
  void write(int file, const void* data, std::size_t bytes, const std::string& path) override;
  void start_sync(int file) override { files_.start_sync(file); }
  void sync(int file, const std::string& path) override { files_.sync(file, path); }
  void close(int file) override { files_.close(file); }

 private:
  FileSystem& files_;
  double bandwidth_;
  const std::atomic<bool>& hurry_;
  Timer since_;
  double written_ = 0;
};

}  // namespace gigatrain
