// FileSystem on the operating system's calls.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "atomic_file.h"
#include "gigatrain/base/error.h"

namespace gigatrain {
namespace {

std::string advice(int error, const std::string& path) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return fmt::format("free space where '{}' lies (df -h), or lower checkpoint.keep", path);
    case EACCES:
    case EPERM:
    case EROFS:
      return fmt::format("make '{}' writable, or choose another folder with run.dir=FOLDER",
                         parent_of(path));
    case EIO:
      return "the disk failed: look at the kernel's log (dmesg) and use another disk";
    case ENOENT:
      return fmt::format("create the folder '{}'", parent_of(path));
    case EFBIG:
      return "allow larger files: `ulimit -f` says how large they may be";
    case ESTALE:
      return "the server no longer knows this folder: mount it again, or ask who runs the server";
    case EINVAL:
    case ENOTSUP:
    case ENOSYS:
      return "this file system cannot do that: choose another with run.dir=FOLDER";
    default:
      return "check the disk and the folder's permissions";
  }
}

[[noreturn]] void fail(const char* what, const std::string& path, int error = errno) {
  throw Error(ErrorCode::io, fmt::format("cannot {} '{}': {}", what, path, std::strerror(error)),
              advice(error, path));
}

}  // namespace

FileSystem& FileSystem::real() {
  static FileSystem files;
  return files;
}

int FileSystem::create(const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (file < 0) fail("create", path);
  return file;
}

namespace {

constexpr std::size_t kBlock = 4096;

bool passes_cache(int file) {
  return (::fcntl(file, F_GETFL) & O_DIRECT) != 0;
}

void use_cache(int file) {
  ::fcntl(file, F_SETFL, ::fcntl(file, F_GETFL) & ~O_DIRECT);
}

}  // namespace

void FileSystem::write(int file, const void* data, std::size_t bytes, const std::string& path) {
  const auto* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const bool blocks = reinterpret_cast<std::uintptr_t>(from) % kBlock == 0 && bytes % kBlock == 0;
    const bool direct = passes_cache(file);
    if (direct && !blocks) use_cache(file);
    const ssize_t written = ::write(file, from, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EINVAL && direct && blocks) {  // of larger blocks than ours
      use_cache(file);
      continue;
    }
    if (written < 0) fail("write", path);
    from += written;
    bytes -= static_cast<std::size_t>(written);
  }
}

void FileSystem::pass_cache(int file) {
  // Where it is refused (tmpfs, some networks) the cache serves.
  ::fcntl(file, F_SETFL, ::fcntl(file, F_GETFL) | O_DIRECT);
}

void FileSystem::sync(int file, const std::string& path) {
  if (::fsync(file) != 0) fail("sync", path);
}

void FileSystem::close(int file) {
  ::close(file);
}

void FileSystem::sync_folder(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) fail("open", path);
  const int error = ::fsync(file) == 0 ? 0 : errno;
  ::close(file);
  if (error) fail("sync", path, error);
}

void FileSystem::make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0) fail("create", path);
}

void FileSystem::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) fail("rename to", to);
}

bool FileSystem::exchange(const std::string& a, const std::string& b) {
  if (::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0) return true;
  if (errno == EINVAL || errno == ENOSYS) return false;
  fail("replace", b);
}

void FileSystem::remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) fail("remove", path);
}

void FileSystem::remove_folder(const std::string& path) {
  if (::rmdir(path.c_str()) != 0 && errno != ENOENT) fail("remove", path);
}

std::vector<std::string> names_in(const std::string& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> list(::opendir(folder.c_str()), ::closedir);
  if (!list)
    throw Error(ErrorCode::io, fmt::format("cannot list '{}': {}", folder, std::strerror(errno)),
                "check the path: expected a folder that you may read");
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(list.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace gigatrain
