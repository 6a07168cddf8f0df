// Writing an llm.c shard: temporary file, fsync, rename, then the same for its sidecar.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "shard_internal.h"

namespace gigatrain {
namespace {

constexpr std::size_t kBufferBytes = 1 << 20;

[[noreturn]] void fail(const std::string& what, const std::string& path, int error) {
  throw Error(ErrorCode::io, fmt::format("cannot {} '{}': {}", what, path, std::strerror(error)),
              "check free space and permissions of the output folder");
}

int create(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) fail("create", path, errno);
  return fd;
}

void write_all(int fd, const void* data, std::size_t bytes, const std::string& path) {
  const auto* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::write(fd, from, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write", path, errno);
    from += written;
    bytes -= static_cast<std::size_t>(written);
  }
}

void sync_and_close(int fd, const std::string& path) {
  const int error = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (error) fail("write", path, error);
}

void rename_to(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) fail("rename to", to, errno);
}

// Without it a power cut may lose the name of a file whose contents are safe.
void sync_folder_of(const std::string& path) {
  const auto folder = std::filesystem::absolute(path).parent_path().string();
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) fail("open", folder, errno);
  sync_and_close(fd, folder);
}

void write_file(const std::string& path, const std::string& text) {
  const int fd = create(path);
  try {
    write_all(fd, text.data(), text.size(), path);
  } catch (...) {
    ::close(fd);
    ::unlink(path.c_str());
    throw;
  }
  sync_and_close(fd, path);
}

}  // namespace

ShardWriter::ShardWriter(std::string path, std::int64_t vocab_size)
    : path_(std::move(path)),
      temporary_(fmt::format("{}.tmp-{}", path_, ::getpid())),
      vocab_size_(vocab_size),
      token_bytes_(vocab_size <= 65536 ? 2 : 4) {
  if (vocab_size < 1 || vocab_size > shard::kMaxTokens)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a vocabulary has 1 to {} ids, got {}", shard::kMaxTokens, vocab_size));
  fd_ = create(temporary_);
  buffer_.reserve(2 * kBufferBytes);
  buffer_.resize(shard::kHeaderBytes);  // its place; the count is known at the end
}

ShardWriter::~ShardWriter() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void ShardWriter::write(const void* data, std::size_t bytes) {
  write_all(fd_, data, bytes, temporary_);
}

void ShardWriter::append(std::span<const std::int32_t> ids) {
  if (static_cast<std::int64_t>(ids.size()) > shard::kMaxTokens - tokens_)
    throw Error(ErrorCode::data,
                fmt::format("'{}' would hold more than {} tokens, the most one shard can count",
                            path_, shard::kMaxTokens),
                "tokenize the input in parts and list the shards in data.train");
  while (!ids.empty()) {
    const auto piece = ids.first(std::min(ids.size(), kBufferBytes / 4));
    check(piece);
    add(piece);
    ids = ids.subspan(piece.size());
  }
}

void ShardWriter::check(std::span<const std::int32_t> ids) const {
  const auto limit = static_cast<std::uint32_t>(vocab_size_);  // a negative id is a huge unsigned
  const auto bad = std::find_if(ids.begin(), ids.end(), [&](std::int32_t id) {
    return static_cast<std::uint32_t>(id) >= limit;
  });
  if (bad != ids.end())
    throw Error(ErrorCode::data, fmt::format("a token id must be in [0, {}), got {} at position {}",
                                             vocab_size_, *bad, tokens_ + (bad - ids.begin())));
}

void ShardWriter::add(std::span<const std::int32_t> ids) {
  const std::size_t begin = buffer_.size();
  buffer_.resize(begin + ids.size() * static_cast<std::size_t>(token_bytes_));
  std::byte* to = buffer_.data() + begin;
  if (token_bytes_ == 4) std::memcpy(to, ids.data(), ids.size_bytes());
  for (std::size_t i = 0; token_bytes_ == 2 && i < ids.size(); ++i) {
    const auto narrow = static_cast<std::uint16_t>(ids[i]);
    std::memcpy(to + 2 * i, &narrow, 2);
  }
  tokens_ += static_cast<std::int64_t>(ids.size());
  if (buffer_.size() < kBufferBytes) return;
  write(buffer_.data(), buffer_.size());
  buffer_.clear();
}

void ShardWriter::write_header() {
  std::array<std::int32_t, 256> header{};
  header[0] = token_bytes_ == 2 ? shard::kMagic16 : shard::kMagic32;
  header[1] = token_bytes_ == 2 ? shard::kVersion16 : shard::kVersion32;
  header[2] = static_cast<std::int32_t>(tokens_);
  if (::lseek(fd_, 0, SEEK_SET) < 0) fail("write", temporary_, errno);
  write(header.data(), sizeof header);
}

void ShardWriter::close_synced() {
  sync_and_close(std::exchange(fd_, -1), temporary_);
}

ShardSidecar ShardWriter::finish(ShardSidecar sidecar) {
  write(buffer_.data(), buffer_.size());
  buffer_.clear();
  write_header();
  close_synced();
  // The digests come from the file as it was written, so a write that went wrong is found now.
  const auto file = MappedFile::open(temporary_, ErrorCode::io);
  sidecar.scan = shard::scan_all(shard::read_llmc(file.bytes(), temporary_));
  sidecar.tokens = tokens_;
  sidecar.vocab_size = vocab_size_;
  const std::string json = shard::sidecar_path(path_), json_temporary = temporary_ + ".json";
  write_file(json_temporary, shard::sidecar_json(sidecar));
  ::unlink(json.c_str());  // never an old sidecar beside a new shard, even after a crash
  rename_to(temporary_, path_);
  temporary_.clear();
  rename_to(json_temporary, json);
  sync_folder_of(path_);
  return sidecar;
}

}  // namespace gigatrain
