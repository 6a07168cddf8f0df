#include "train/append_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "gigatrain/base/error.h"

namespace gigatrain {

namespace {

[[noreturn]] void fail(const char* what, const std::string& path) {
  throw Error(ErrorCode::io, fmt::format("cannot {} '{}': {}", what, path, std::strerror(errno)),
              errno == ENOSPC ? "free space on the disk of the run folder (df -h)"
                              : "check the run folder's permissions");
}

}  // namespace

std::string utc_now() {
  timespec t{};
  ::clock_gettime(CLOCK_REALTIME, &t);
  tm utc{};
  ::gmtime_r(&t.tv_sec, &utc);
  return fmt::format("{:04d}-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}.{:03d}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     t.tv_nsec / 1'000'000);
}

int open_appending(const std::string& path) {
  const int file =
      ::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
  if (file < 0) fail("open", path);
  struct stat status {};
  if (::fstat(file, &status) == 0 && S_ISREG(status.st_mode)) return file;
  ::close(file);
  throw Error(ErrorCode::io, fmt::format("'{}' is not a regular file", path),
              "move it away: the run appends to a file of this name");
}

void append_text(int file, std::string_view text, const std::string& path) {
  while (!text.empty()) {  // one turn, unless a signal or a full disk cuts it short
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write", path);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void end_torn_line(int file, const std::string& path) {
  struct stat status {};
  char last = '\n';
  if (::fstat(file, &status) == 0 && status.st_size > 0 &&
      ::pread(file, &last, 1, status.st_size - 1) == 1 && last != '\n')
    append_text(file, "\n", path);
}

}  // namespace gigatrain
