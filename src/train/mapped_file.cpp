#include "mapped_file.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "mapped_file_fault.h"

namespace gigatrain {
MappedFile MappedFile::open(const std::string& path, ErrorCode code) {
  return MappedFile(OpenFile::open(path, Links::follow, code), code);
}

MappedFile::MappedFile(const OpenFile& file, ErrorCode code) : path_(file.path()) {
  if (file.size() == 0) return;
  void* data = ::mmap(nullptr, static_cast<std::size_t>(file.size()), PROT_READ, MAP_SHARED,
                      file.descriptor(), 0);
  if (data == MAP_FAILED)
    throw Error(code, fmt::format("cannot map '{}': {}", path_, std::strerror(errno)),
                "free memory, or lift the limit on it (ulimit -v)");
  data_ = static_cast<const std::byte*>(data);
  size_ = file.size();
  watched_ = watch_mapping(data_, static_cast<std::size_t>(size_), path_);
}

void MappedFile::will_need(const std::byte* first, std::int64_t bytes) const {
  static const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGE_SIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(first) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(first) + static_cast<std::uintptr_t>(bytes);
  // A refusal costs speed only.
  ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_WILLNEED);
}

MappedFile::MappedFile(MappedFile&& other) noexcept {
  *this = std::move(other);
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(watched_, other.watched_);
  return *this;
}

MappedFile::~MappedFile() {
  forget_mapping(watched_);
  if (data_) ::munmap(const_cast<std::byte*>(data_), static_cast<std::size_t>(size_));
}

}  // namespace gigatrain
