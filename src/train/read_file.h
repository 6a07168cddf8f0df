// Opening files that may be hostile. What is checked is what is read: a descriptor is opened once,
// found to be that of a regular file, and only then mapped or read, so nobody can put another file
// in its place in between.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gigatrain/base/error.h"

namespace gigatrain {

enum class Links { follow, refuse };  // where the last part of a path is a symbolic link

// A regular file, open for reading. Folders, FIFOs and devices are refused without waiting for
// them.
class OpenFile {
 public:
  // A path that a user gave. Failures are reported under `code`, since the same missing file is a
  // usage error for a configuration and a data error for a shard.
  static OpenFile open(const std::string& path, Links links, ErrorCode code);
  // A name that stands in a file: it must be plain, and can lead neither out of `folder` nor over a
  // link in it.
  static OpenFile open_in(const std::string& folder, const std::string& name);

  OpenFile(OpenFile&& other) noexcept;
  OpenFile& operator=(OpenFile&& other) = delete;
  ~OpenFile();

  const std::string& path() const { return path_; }
  int descriptor() const { return descriptor_; }
  std::int64_t size() const { return size_; }  // when it was opened
  // All of it, which must be `limit` bytes at most: nothing is allocated before that is known.
  std::string read(std::int64_t limit) const;

 private:
  OpenFile(int descriptor, std::string path, ErrorCode code);
  int descriptor_;
  std::string path_;
  std::int64_t size_ = 0;
};

// A plain file name, which cannot leave its folder.
bool is_plain_name(std::string_view name);
// A file that is no link, as text.
std::string read_small_file(const std::string& path, std::int64_t limit);

}  // namespace gigatrain
