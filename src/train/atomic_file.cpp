#include "atomic_file.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
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

// Aligned as a disk's blocks are, so that it can be sent without a copy.
struct FileWriter::Buffer {
  static constexpr std::size_t kBytes = 4 << 20, kAlign = 4096;
  struct Free {
    void operator()(std::byte* data) const { ::operator delete (data, std::align_val_t{kAlign}); }
  };
  std::unique_ptr<std::byte, Free> data{
      static_cast<std::byte*>(::operator new (kBytes, std::align_val_t{kAlign}))};
  std::size_t used = 0;
};

FileWriter::FileWriter(FileSystem& files, std::string path)
    : files_(files),
      path_(std::move(path)),
      file_(files_.create(path_)),
      filling_(std::make_unique<Buffer>()) {}

FileWriter::~FileWriter() {
  if (job_.valid()) job_.wait();
  if (file_ >= 0) files_.close(file_);
}

void FileWriter::append(const void* data, std::size_t bytes) {
  const auto* from = static_cast<const std::byte*>(data);
  while (bytes > 0) {
    const std::size_t n = std::min(bytes, Buffer::kBytes - filling_->used);
    std::byte* to = filling_->data.get() + filling_->used;
    std::memcpy(to, from, n);
    hash_.add(to, n);  // from the cache
    filling_->used += n;
    bytes_ += static_cast<std::int64_t>(n);
    from += n;
    bytes -= n;
    if (filling_->used == Buffer::kBytes) send();
  }
}

void FileWriter::send() {
  if (!writing_) {
    writing_ = std::make_unique<Buffer>();
    files_.pass_cache(file_);
  }
  if (job_.valid()) job_.get();
  std::swap(filling_, writing_);
  filling_->used = 0;
  job_ = std::async(std::launch::async,
                    [this] { files_.write(file_, writing_->data.get(), writing_->used, path_); });
}

WrittenFile FileWriter::finish() {
  if (job_.valid()) job_.get();
  if (filling_->used > 0) files_.write(file_, filling_->data.get(), filling_->used, path_);
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
