#include "read_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "strict_json.h"

namespace gigatrain {
namespace {

// O_NONBLOCK: opening a FIFO must fail below, not wait for a writer.
constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

[[noreturn]] void fail(ErrorCode code, const std::string& path, const std::string& why) {
  throw Error(code, fmt::format("cannot read '{}': {}", path, why),
              "check the path and its permissions");
}

[[noreturn]] void fail_to_open(ErrorCode code, const std::string& path, Links links) {
  if (errno == ELOOP && links == Links::refuse)
    throw Error(ErrorCode::corrupt, fmt::format("'{}' is a link, expected a regular file", path),
                "copy the folder with its links resolved: cp -rL FROM TO");
  if (errno == ENXIO) fail(code, path, "it is not a regular file");  // a socket
  fail(code, path, std::strerror(errno));
}

// Kernels before 5.6 and some sandboxes lack openat2. A plain name has one part only, so not to
// follow a link in its place is the same.
int open_beneath(int folder, const char* name) {
  open_how how{};
  how.flags = kFlags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  const auto file = static_cast<int>(::syscall(SYS_openat2, folder, name, &how, sizeof how));
  if (file >= 0 || (errno != ENOSYS && errno != EPERM)) return file;
  return ::openat(folder, name, kFlags | O_NOFOLLOW);
}

}  // namespace

OpenFile::OpenFile(int descriptor, std::string path, ErrorCode code)
    : descriptor_(descriptor), path_(std::move(path)) {
  struct stat status {};
  try {
    if (::fstat(descriptor_, &status) != 0) fail(code, path_, std::strerror(errno));
    if (S_ISDIR(status.st_mode)) fail(code, path_, "it is a folder, expected a file");
    if (!S_ISREG(status.st_mode)) fail(code, path_, "it is not a regular file");
  } catch (const Error&) {
    ::close(descriptor_);
    throw;
  }
  size_ = status.st_size;
}

OpenFile OpenFile::open(const std::string& path, Links links, ErrorCode code) {
  const int follow = links == Links::follow ? 0 : O_NOFOLLOW;
  const int file = ::open(path.c_str(), kFlags | follow);
  if (file < 0) fail_to_open(code, path, links);
  return OpenFile(file, path, code);
}

OpenFile OpenFile::open_in(const std::string& folder, const std::string& name) {
  if (!is_plain_name(name))
    throw Error(ErrorCode::corrupt,
                fmt::format("'{}': '{}' is no plain file name", folder, printable(name)),
                "get or make the folder again");
  const int in = ::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (in < 0) fail(ErrorCode::io, folder, std::strerror(errno));
  const int file = open_beneath(in, name.c_str());
  const int error = errno;
  ::close(in);
  errno = error;
  const std::string path = folder + "/" + name;
  if (file < 0) fail_to_open(ErrorCode::io, path, Links::refuse);
  return OpenFile(file, path, ErrorCode::corrupt);
}

OpenFile::OpenFile(OpenFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      path_(std::move(other.path_)),
      size_(other.size_) {}

OpenFile::~OpenFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::string OpenFile::read(std::int64_t limit) const {
  if (size_ > limit)
    throw Error(ErrorCode::corrupt,
                fmt::format("'{}' must have at most {} bytes, it has {}", path_, limit, size_));
  std::string text(static_cast<std::size_t>(size_), '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t n =
        ::pread(descriptor_, text.data() + done, text.size() - done, static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(ErrorCode::io, path_, std::strerror(errno));
    if (n == 0)
      fail(ErrorCode::io, path_, fmt::format("it was cut to {} bytes while it was read", done));
    done += static_cast<std::size_t>(n);
  }
  return text;
}

bool is_plain_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !name.empty() && name.size() <= 200 && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), allowed);
}

std::string read_small_file(const std::string& path, std::int64_t limit) {
  return OpenFile::open(path, Links::refuse, ErrorCode::io).read(limit);
}

}  // namespace gigatrain
