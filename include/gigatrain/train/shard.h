// Token shards: files of token ids, memory-mapped. Three layouts are read:
//   llm.c     256 int32 header ([0] magic 20240520 with [1] = 1: uint16 tokens, or 20240801 with
//             [1] = 7: uint32 tokens; [2] count), then the tokens. This is what ShardWriter writes.
//   megatron  PATH.bin beside PATH.idx (MMIDIDX version 1) with uint16 or int32 tokens in order
//   nanogpt   bare uint16 tokens. No header tells it from a damaged file, so it has to be asked
//             for: "nanogpt:PATH".
// A sidecar <shard>.json, optional, says where the tokens come from and what their digest is.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace gigatrain {

enum class ShardFormat { llmc, megatron, nanogpt };
const char* name(ShardFormat format);

// What one pass over the tokens finds. The digest hashes values, not bytes: it is the same for the
// same tokens in any layout. The sample digest covers at most 64 chunks of 65,536 tokens.
struct TokenScan {
  std::uint64_t digest = 0;
  std::uint64_t sample_digest = 0;
  std::int64_t max_id = -1;
};

struct ShardSidecar {
  std::string tokenizer_sha256 = {};
  std::int64_t vocab_size = 0;
  std::optional<std::int32_t> eot = {};
  std::int64_t documents = 0;
  std::string source = {};
  std::optional<std::int64_t> tokens = {};  // like scan: known when gigatrain wrote the shard
  std::optional<TokenScan> scan = {};
};

class MappedFile;

class Shard {
 public:
  enum class Verify {
    automatic,  // everything; a sample above 1 GiB when the sidecar holds digests
    full,
  };
  // Throws Error(data) for a file that is missing, empty, truncated, of another kind or that
  // contradicts its sidecar.
  static Shard open(const std::string& path, Verify verify = Verify::automatic);

  const std::string& path() const { return path_; }
  ShardFormat format() const { return format_; }
  std::int64_t tokens() const { return tokens_; }
  int token_bytes() const { return token_bytes_; }
  std::int64_t documents() const { return documents_; }  // 0: not known
  std::uint64_t digest() const { return scan_.digest; }
  std::int64_t max_id() const { return scan_.max_id; }
  const std::optional<ShardSidecar>& sidecar() const { return sidecar_; }

  // Copies tokens [first, first + out.size()).
  void read(std::int64_t first, std::span<std::int32_t> out) const;
  // The system may begin to read them from the disk; returns at once.
  void will_need(std::int64_t first, std::int64_t count) const;
  // Throws Error(data) that names the first id not below `vocab_size`.
  void check_vocabulary(std::int64_t vocab_size) const;

 private:
  Shard() = default;
  void check_sidecar(Verify verify);

  std::string path_;
  ShardFormat format_ = ShardFormat::llmc;
  std::shared_ptr<const MappedFile> file_;
  const std::byte* first_ = nullptr;
  std::int64_t tokens_ = 0, documents_ = 0;
  int token_bytes_ = 2;
  TokenScan scan_;
  std::optional<ShardSidecar> sidecar_;
};

// Writes an llm.c shard and its sidecar under temporary names; finish() puts both in place. A
// writer destroyed before finish() leaves nothing behind.
class ShardWriter {
 public:
  ShardWriter(std::string path, std::int64_t vocab_size);
  ~ShardWriter();
  ShardWriter(const ShardWriter&) = delete;
  ShardWriter& operator=(const ShardWriter&) = delete;

  void append(std::span<const std::int32_t> ids);
  std::int64_t tokens() const { return tokens_; }
  // Fills in the sidecar's tokens and digests, and returns it.
  ShardSidecar finish(ShardSidecar sidecar);

 private:
  void check(std::span<const std::int32_t> ids) const;
  void add(std::span<const std::int32_t> ids);
  void write(const void* data, std::size_t bytes);
  void write_header();
  void close_synced();

  std::string path_, temporary_;
  std::int64_t vocab_size_ = 0, tokens_ = 0;
  int token_bytes_ = 2;
  int fd_ = -1;
  std::vector<std::byte> buffer_;
};

}  // namespace gigatrain
