// A regular file mapped read-only. Folders, FIFOs and devices are refused before any read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gigatrain/base/error.h"

namespace gigatrain {

class MappedFile {
 public:
  // Failures are reported under `code`, since the same missing file is a usage error for a
  // configuration and a data error for a shard.
  static MappedFile open(const std::string& path, ErrorCode code);

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
  MappedFile() = default;
  std::string path_;
  const std::byte* data_ = nullptr;  // null for an empty file
  std::int64_t size_ = 0;
};

}  // namespace gigatrain
