// A regular file mapped read-only. If it is cut meanwhile, the process ends and names it
// (mapped_file_fault.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "read_file.h"

namespace gigatrain {

class WatchedMapping;

class MappedFile {
 public:
  // A path that a user gave, links followed; `code` as in OpenFile::open.
  static MappedFile open(const std::string& path, ErrorCode code);
  MappedFile(const OpenFile& file, ErrorCode code);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  const std::string& path() const { return path_; }
  const std::byte* data() const { return data_; }
  std::int64_t size() const { return size_; }
  std::string_view bytes() const {
    return {reinterpret_cast<const char*>(data_), static_cast<std::size_t>(size_)};
  }
  // The system may begin to read these bytes from the disk; returns at once.
  void will_need(const std::byte* first, std::int64_t bytes) const;

 private:
  std::string path_;
  const std::byte* data_ = nullptr;  // null for an empty file
  std::int64_t size_ = 0;
  WatchedMapping* watched_ = nullptr;
};

}  // namespace gigatrain
