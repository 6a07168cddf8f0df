// The disk, with something done before each of its operations. It does not wait for the device: a
// killed process loses nothing that it handed to the kernel.
#pragma once

#include <string>

#include "train/atomic_file.h"

namespace gigatrain::testing {

class WatchedDisk : public FileSystem {
 public:
  int create(const std::string& path) override {
    before("create", path);
    return FileSystem::create(path);
  }
  void write(int file, const void* data, std::size_t bytes, const std::string& path) override {
    before("write", path);
    FileSystem::write(file, data, bytes, path);
  }
  void sync(int, const std::string& path) override { before("sync", path); }
  void sync_folder(const std::string& path) override { before("sync folder", path); }
  void make_folder(const std::string& path) override {
    before("make", path);
    FileSystem::make_folder(path);
  }
  void rename(const std::string& from, const std::string& to) override {
    before("rename", to);
    FileSystem::rename(from, to);
  }
  bool exchange(const std::string& a, const std::string& b) override {
    before("exchange", b);
    return FileSystem::exchange(a, b);
  }
  void remove_file(const std::string& path) override {
    before("remove", path);
    FileSystem::remove_file(path);
  }
  void remove_folder(const std::string& path) override {
    before("remove", path);
    FileSystem::remove_folder(path);
  }

 protected:
  virtual void before(const std::string& what, const std::string& path) = 0;
  // Does it put something there, or make it durable? The rest takes away or swaps.
  static bool is_part_of_a_save(const std::string& what) {
    return what != "exchange" && what != "remove";
  }
};

}  // namespace gigatrain::testing
