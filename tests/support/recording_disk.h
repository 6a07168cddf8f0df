// A disk that remembers. It does the work in a real folder, without waiting for the device, and
// records what each operation did to inodes, from which crash_states.h rebuilds whatever a loss of
// power may leave. Any number of threads may use it at once.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "train/atomic_file.h"

namespace gigatrain::testing {

inline constexpr int kNoInode = -1;

struct DiskOperation {
  enum class Kind { write, sync, names, sync_folder };
  struct Name {
    std::string name;
    int inode;  // kNoInode: the name goes
  };
  Kind kind;
  int inode;                // the file, or the folder whose names change
  std::string bytes;        // write: appended
  std::vector<Name> names;  // names: change in one step
  std::string label;        // "sync manifest.json"
};

struct Recording {
  std::vector<bool> is_folder;  // by inode; 0 is the folder that was recorded, at first empty
  std::vector<DiskOperation> operations;
};

class RecordingDisk final : public FileSystem {
 public:
  explicit RecordingDisk(std::string folder) : folder_(std::move(folder)) { new_inode(true); }

  const Recording& recording() const { return recording_; }
  bool can_exchange = true;
  // Number of operations after which the process is as good as killed: each throws Killed.
  std::size_t killed_after = SIZE_MAX;
  struct Killed {};

  int create(const std::string& path) override {
    const std::scoped_lock lock(mutex_);
    live();
    const int file = FileSystem::create(path);
    const int inode = new_inode(false);
    open_[file] = inode;
    change("create", path, {{base(path), inode}});
    return file;
  }
  void write(int file, const void* data, std::size_t bytes, const std::string& path) override {
    const std::scoped_lock lock(mutex_);
    live();
    FileSystem::write(file, data, bytes, path);
    record({.kind = DiskOperation::Kind::write,
            .inode = open_.at(file),
            .bytes = {static_cast<const char*>(data), bytes},
            .names = {},
            .label = "write " + base(path)});
  }
  void pass_cache(int) override {}  // a hint promises nothing
  void sync(int file, const std::string& path) override {
    const std::scoped_lock lock(mutex_);
    live();
    record({.kind = DiskOperation::Kind::sync,
            .inode = open_.at(file),
            .bytes = {},
            .names = {},
            .label = "sync " + base(path)});
  }
  void close(int file) override {
    const std::scoped_lock lock(mutex_);
    open_.erase(file);
    FileSystem::close(file);
  }
  void sync_folder(const std::string& path) override {
    const std::scoped_lock lock(mutex_);
    live();
    record({.kind = DiskOperation::Kind::sync_folder,
            .inode = inode_of(path),
            .bytes = {},
            .names = {},
            .label = "sync folder " + base(path)});
  }
  void make_folder(const std::string& path) override {
    const std::scoped_lock lock(mutex_);
    live();
    FileSystem::make_folder(path);
    change("make", path, {{base(path), new_inode(true)}});
  }
  void rename(const std::string& from, const std::string& to) override {
    const std::scoped_lock lock(mutex_);
    live();
    require_one_folder(from, to);
    FileSystem::rename(from, to);
    change("rename", to, {{base(to), inode_of(from)}, {base(from), kNoInode}});
  }
  bool exchange(const std::string& a, const std::string& b) override {
    const std::scoped_lock lock(mutex_);
    live();
    if (!can_exchange || !FileSystem::exchange(a, b)) return false;
    require_one_folder(a, b);
    change("exchange", b, {{base(a), inode_of(b)}, {base(b), inode_of(a)}});
    return true;
  }
  void remove_file(const std::string& path) override { remove(path, false); }
  void remove_folder(const std::string& path) override { remove(path, true); }

 private:
  void live() const {
    if (recording_.operations.size() >= killed_after) throw Killed{};
  }
  static std::string base(const std::string& path) {
    return path.substr(path.find_last_of('/') + 1);
  }
  static void require_one_folder(const std::string& from, const std::string& to) {
    if (parent_of(from) != parent_of(to))
      throw std::logic_error("a rename into another folder is two changes: the model has none");
  }

  int new_inode(bool is_folder) {
    names_.emplace_back();
    recording_.is_folder.push_back(is_folder);
    return static_cast<int>(names_.size()) - 1;
  }
  // Throws std::out_of_range for what is not below the recorded folder.
  int inode_of(const std::string& path) const {
    if (path == folder_) return 0;
    return names_[static_cast<std::size_t>(inode_of(parent_of(path)))].at(base(path));
  }
  void remove(const std::string& path, bool folder) {
    const std::scoped_lock lock(mutex_);
    live();
    if (!exists(path)) return;
    folder ? FileSystem::remove_folder(path) : FileSystem::remove_file(path);
    change("remove", path, {{base(path), kNoInode}});
  }
  void change(const char* what, const std::string& path, std::vector<DiskOperation::Name> names) {
    const int folder = inode_of(parent_of(path));
    auto& now = names_[static_cast<std::size_t>(folder)];
    for (const auto& [name, inode] : names)
      inode == kNoInode ? static_cast<void>(now.erase(name)) : static_cast<void>(now[name] = inode);
    record({.kind = DiskOperation::Kind::names,
            .inode = folder,
            .bytes = {},
            .names = std::move(names),
            .label = what + (" " + base(path))});
  }
  void record(DiskOperation operation) { recording_.operations.push_back(std::move(operation)); }

  std::string folder_;
  std::mutex mutex_;
  std::vector<std::map<std::string, int>> names_;  // as they are now, by inode
  std::map<int, int> open_;                        // inode by descriptor
  Recording recording_;
};

}  // namespace gigatrain::testing
