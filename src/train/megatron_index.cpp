// Megatron-LM's indexed dataset. PATH.idx, little-endian and packed:
//   "MMIDIDX\0\0", u64 version = 1, u8 dtype code, u64 sequences S, u64 document marks D,
//   i32 length[S], i64 byte offset[S], i64 first sequence of document[D]
// PATH.bin holds the tokens. It is read as one stream, so the sequences must lie in order.
#include <fmt/format.h>

#include <cstring>

#include "shard_internal.h"

namespace gigatrain::shard {
namespace {

constexpr std::string_view kMagic{"MMIDIDX\0\0", 9};
constexpr std::int64_t kFixedBytes = 9 + 8 + 1 + 8 + 8;

class Index {
 public:
  Index(std::string_view file, const std::string& path) : file_(file), path_(path) {
    if (size() < kFixedBytes || file.substr(0, 9) != kMagic)
      fail("it must begin with MMIDIDX and a header of 34 bytes");
    if (const auto version = at<std::uint64_t>(9); version != 1)
      fail(fmt::format("version must be 1, got {}", version));
    sequences_ = count_at(18);
    marks_ = count_at(26);
    const std::int64_t expected = kFixedBytes + 12 * sequences_ + 8 * marks_;
    if (size() != expected)
      fail(fmt::format("{} sequences and {} document marks need {} bytes, got {}", sequences_,
                       marks_, expected, size()));
  }

  int token_bytes() const {
    switch (const int code = at<std::uint8_t>(17)) {
      case 8:
        return 2;  // uint16
      case 4:
        return 4;  // int32
      default:
        fail(fmt::format("dtype code must be 8 (uint16) or 4 (int32), got {}", code));
    }
  }

  // The number of tokens, after checking that sequence i begins where i - 1 ends.
  std::int64_t tokens(int token_bytes, std::int64_t bin_bytes) const {
    std::int64_t offset = 0;
    for (std::int64_t i = 0; i < sequences_; ++i) {
      const auto length = at<std::int32_t>(kFixedBytes + 4 * i);
      const auto begin = at<std::int64_t>(kFixedBytes + 4 * sequences_ + 8 * i);
      if (length < 0 || begin != offset)
        fail(fmt::format("sequence {} must begin at byte {}, got {} (length {})", i, offset, begin,
                         length));
      offset += std::int64_t{length} * token_bytes;
      if (offset > bin_bytes) break;
    }
    if (offset != bin_bytes || offset == 0)
      fail(fmt::format("its sequences cover {} bytes, the .bin beside it has {}", offset,
                       bin_bytes));
    return offset / token_bytes;
  }

  std::int64_t documents() const { return marks_ > 0 ? marks_ - 1 : 0; }

 private:
  std::int64_t size() const { return static_cast<std::int64_t>(file_.size()); }
  template <class T>
  T at(std::int64_t offset) const {
    T value;  // fields are packed, so they are copied, not pointed at
    std::memcpy(&value, file_.data() + offset, sizeof value);
    return value;
  }
  // A count that cannot fit the file is refused before anything is multiplied by it.
  std::int64_t count_at(std::int64_t offset) const {
    const auto count = at<std::uint64_t>(offset);
    if (count > file_.size())
      fail(fmt::format("a count of {} does not fit {} bytes", count, size()));
    return static_cast<std::int64_t>(count);
  }
  [[noreturn]] void fail(const std::string& why) const {
    throw Error(ErrorCode::data, fmt::format("'{}' is not a Megatron index: {}", path_, why),
                "make the pair again with Megatron's preprocess_data.py");
  }

  std::string_view file_;
  const std::string& path_;
  std::int64_t sequences_ = 0, marks_ = 0;
};

}  // namespace

TokenArray read_megatron(std::string_view bin, std::string_view idx, const std::string& idx_path) {
  const Index index(idx, idx_path);
  const int bytes = index.token_bytes();
  const std::int64_t tokens = index.tokens(bytes, static_cast<std::int64_t>(bin.size()));
  return {ShardFormat::megatron, first_byte(bin), tokens, bytes, index.documents()};
}

}  // namespace gigatrain::shard
