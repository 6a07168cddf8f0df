#include "mapped_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace gigatrain {
namespace {

[[noreturn]] void fail(ErrorCode code, const std::string& path, const std::string& why) {
  throw Error(code, fmt::format("cannot read '{}': {}", path, why),
              "check the path and its permissions");
}

struct Descriptor {
  int fd;
  ~Descriptor() { ::close(fd); }
};

}  // namespace

MappedFile MappedFile::open(const std::string& path, ErrorCode code) {
  // O_NONBLOCK: opening a FIFO must fail below, not wait for a writer.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) fail(code, path, std::strerror(errno));
  struct stat status {};
  if (::fstat(file.fd, &status) != 0) fail(code, path, std::strerror(errno));
  if (S_ISDIR(status.st_mode)) fail(code, path, "it is a folder, expected a file");
  if (!S_ISREG(status.st_mode)) fail(code, path, "it is not a regular file");
  MappedFile mapped;
  mapped.path_ = path;
  if (status.st_size == 0) return mapped;
  void* data =
      ::mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ, MAP_SHARED, file.fd, 0);
  if (data == MAP_FAILED) fail(code, path, std::strerror(errno));
  mapped.data_ = static_cast<const std::byte*>(data);
  mapped.size_ = status.st_size;
  return mapped;
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
  return *this;
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), static_cast<std::size_t>(size_));
}

}  // namespace gigatrain
