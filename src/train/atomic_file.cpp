#include "atomic_file.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "gigatrain/base/error.h"

namespace gigatrain {

void remove_tree(FileSystem& files, const std::string& folder) {
  for (const auto& name : names_in(folder)) {
    const std::string path = folder + "/" + name;
    if (is_folder(path))
      remove_tree(files, path);
    else
      files.remove_file(path);
  }
  files.remove_folder(folder);
}

void remove_quietly(FileSystem& files, const std::string& path) {
  try {
    if (is_folder(path))
      remove_tree(files, path);
    else if (exists(path))
      files.remove_file(path);
  } catch (const Error&) {
    // The error that brought us here matters more.
  }
}

bool is_folder(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

bool leads_to_folder(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

bool exists(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

std::string parent_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

FileWriter::FileWriter(FileSystem& files, std::string path)
    : files_(files), path_(std::move(path)), file_(files_.create(path_)) {}

FileWriter::~FileWriter() {
  if (file_ >= 0) files_.close(file_);
}

void FileWriter::append(const void* data, std::size_t bytes) {
  // In pieces, so that what is hashed is still in the cache when it is written. The disk works
  // beside the hashing.
  constexpr std::size_t kPiece = 1 << 20;
  constexpr std::int64_t kStartEvery = 8 << 20;
  const auto* from = static_cast<const char*>(data);
  for (std::size_t done = 0; done < bytes; done += kPiece) {
    const std::size_t n = std::min(kPiece, bytes - done);
    hash_.add(from + done, n);
    files_.write(file_, from + done, n, path_);
    bytes_ += static_cast<std::int64_t>(n);
    if (bytes_ - started_ < kStartEvery) continue;
    files_.start_sync(file_);
    started_ = bytes_;
  }
}

WrittenFile FileWriter::finish() {
  files_.sync(file_, path_);
  files_.close(std::exchange(file_, -1));
  return {bytes_, hash_.hex()};
}

WrittenFile write_file(FileSystem& files, const std::string& path, std::string_view text) {
  FileWriter writer(files, path);
  writer.append(text.data(), text.size());
  return writer.finish();
}

void replace_file(FileSystem& files, const std::string& path, std::string_view text) {
  const std::string temporary = fmt::format("{}.tmp.{}", path, ::getpid());
  if (exists(temporary)) files.remove_file(temporary);  // of an earlier process with our number
  try {
    write_file(files, temporary, text);
    files.rename(temporary, path);
  } catch (const Error&) {
    remove_quietly(files, temporary);
    throw;
  }
  files.sync_folder(parent_of(path));
}

}  // namespace gigatrain
