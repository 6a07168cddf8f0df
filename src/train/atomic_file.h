// Files that are whole or absent. All that a checkpoint does to the disk goes through FileSystem,
// so that a test can record it, cut it short or make it fail.
#pragma once

#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gigatrain/train/safetensors.h"
#include "read_file.h"
#include "sha256.h"

namespace gigatrain {

// Each call throws Error(io) that names the path and what to do.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual int create(const std::string& path);  // a new file: an existing one is an error
  virtual void write(int file, const void* data, std::size_t bytes, const std::string& path);
  // A hint: what is written from now on in whole blocks need not stay in memory.
  virtual void pass_cache(int file);
  virtual void sync(int file, const std::string& path);
  virtual void close(int file);
  virtual void sync_folder(const std::string& path);  // makes the names in it durable
  virtual void make_folder(const std::string& path);
  virtual void rename(const std::string& from, const std::string& to);
  // Swaps two folders in one step; false: this file system cannot.
  virtual bool exchange(const std::string& a, const std::string& b);
  virtual void remove_file(const std::string& path);
  virtual void remove_folder(const std::string& path);  // an empty one

  static FileSystem& real();
};

// Removes a folder of plain files.
void remove_tree(FileSystem& files, const std::string& folder);
// A file or folder, if it is there; for what is left after an error, so it throws none.
void remove_quietly(FileSystem& files, const std::string& path);
// Names in a folder, sorted, without "." and "..".
std::vector<std::string> names_in(const std::string& folder);
bool is_folder(const std::string& path);        // a real one, no link
bool leads_to_folder(const std::string& path);  // a folder, or a link to one
bool exists(const std::string& path);           // of any kind, links not followed
// The folder that holds it, "." for a plain name.
std::string parent_of(const std::string& path);

// A new file, hashed while it is written: one buffer goes to the disk, past the page cache where it
// can, while the next is filled and hashed. finish() syncs and closes it.
class FileWriter {
 public:
  FileWriter(FileSystem& files, std::string path);
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  void append(const void* data, std::size_t bytes);
  WrittenFile finish();

 private:
  struct Buffer;
  void send();  // what the buffer holds, by another thread
  FileSystem& files_;
  std::string path_;
  int file_;
  Sha256 hash_;
  std::int64_t bytes_ = 0;
  std::unique_ptr<Buffer> filling_, writing_;
  std::future<void> job_;  // has writing_
};

WrittenFile write_file(FileSystem& files, const std::string& path, std::string_view text);
// Temporary file, sync, rename, sync of the folder: the old contents or the new ones, never less.
void replace_file(FileSystem& files, const std::string& path, std::string_view text);

}  // namespace gigatrain
