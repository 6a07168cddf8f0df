#include "gigatrain/train/token_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "gigatrain/base/error.h"
#include "gigatrain/base/hash.h"

namespace gigatrain {
namespace {

constexpr std::uint32_t kOffsetCounter = 0xffffffffu;  // no Feistel round has this number

std::uint32_t low(std::int64_t v) {
  return static_cast<std::uint32_t>(v);
}
std::uint32_t high(std::int64_t v) {
  return static_cast<std::uint32_t>(v >> 32);
}

void check_tokenizer(const Shard& shard, const std::string& expected) {
  if (expected.empty() || !shard.sidecar() || shard.sidecar()->tokenizer_sha256.empty()) return;
  const std::string& got = shard.sidecar()->tokenizer_sha256;
  if (got != expected)
    throw Error(ErrorCode::data,
                fmt::format("'{}' was made by another tokenizer: its sidecar has sha256 {}, "
                            "data.tokenizer is {}",
                            shard.path(), got, expected),
                "make the shard again with 'gigatrain data tokenize'");
}

[[noreturn]] void out_of_range(const char* what, std::int64_t got, std::int64_t end) {
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{} must be in [0, {}), got {}", what, end, got));
}

}  // namespace

// Eight rounds, since small domains mix slowly; a round costs one Philox block.
std::int64_t permute(std::int64_t index, std::int64_t size, PhiloxKey key, std::int64_t epoch) {
  if (index < 0 || index >= size) out_of_range("a window index", index, size);
  const auto bits = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(size - 1)));
  const int half = std::max(1, (bits + 1) / 2);
  const std::uint64_t mask = (std::uint64_t{1} << half) - 1;
  auto value = static_cast<std::uint64_t>(index);
  do {
    std::uint64_t left = value >> half, right = value & mask;
    for (std::uint32_t round = 0; round < 8; ++round) {
      const auto block =
          philox4x32_10({static_cast<std::uint32_t>(right), round, low(epoch), high(epoch)}, key);
      const std::uint64_t mixed = left ^ (block[0] & mask);
      left = right;
      right = mixed;
    }
    value = left << half | right;
  } while (value >= static_cast<std::uint64_t>(size));  // at most 4 tries on average
  return static_cast<std::int64_t>(value);
}

std::vector<nn::FieldSpec> token_fields(std::int64_t seq_len) {
  return {{.name = "tokens", .dtype = DType::i32, .shape = {seq_len}},
          {.name = "targets", .dtype = DType::i32, .shape = {seq_len}}};
}

TokenSource::TokenSource(const std::vector<std::string>& paths, const TokenSourceOptions& options)
    : options_(options) {
  check_options();
  fields_ = token_fields(options.seq_len);
  std::string identity;
  for (const auto& path : find_shards(paths, options.split)) {
    shards_.push_back(Shard::open(path));
    const Shard& shard = shards_.back();
    check_tokenizer(shard, options.tokenizer_sha256);
    if (options.vocab_size > 0) shard.check_vocabulary(options.vocab_size);
    begins_.push_back(tokens_);
    tokens_ += shard.tokens();
    identity += fmt::format("{:016x} {}\n", shard.digest(), shard.tokens());
  }
  begins_.push_back(tokens_);
  digest_ = shards_.size() == 1 ? shards_[0].digest() : hash64(identity);
  key_ = random_key(options.seed, "data", fmt::format("{:016x}", digest_));
  plan_windows();
}

void TokenSource::check_options() const {
  const auto positive = [](const char* what, std::int64_t value) {
    if (value < 1 || value > std::int64_t{1} << 31)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{} must be from 1 to 2^31, got {}", what, value));
  };
  positive("seq_len", options_.seq_len);
  positive("global_batch", options_.global_batch);
}

// One window fewer than would fit, so that any offset in [0, seq_len) leaves room for all; data
// shorter than that is one window at one of fewer offsets.
void TokenSource::plan_windows() {
  const std::int64_t length = options_.seq_len;
  if (options_.split != "train" && tokens_ >= 2 && tokens_ <= length) return;  // to evaluate only
  if (tokens_ < length + 1)
    throw Error(ErrorCode::data,
                fmt::format("a window needs train.seq_len + 1 = {} tokens, '{}'{} hold{} {}",
                            length + 1, shards_[0].path(), shards_.size() > 1 ? " and others" : "",
                            shards_.size() > 1 ? "" : "s", tokens_),
                "use more data, or a smaller train.seq_len");
  windows_ = std::max<std::int64_t>(1, (tokens_ - length) / length);
  offsets_ = std::min(length, tokens_ - windows_ * length);
}

std::int64_t TokenSource::window_begin(std::int64_t n) const {
  const std::int64_t epoch = n / windows_;
  const auto block = philox4x32_10({0, kOffsetCounter, low(epoch), high(epoch)}, key_);
  const std::uint64_t word = std::uint64_t{block[1]} << 32 | block[0];
  const auto offset = static_cast<std::int64_t>(word % static_cast<std::uint64_t>(offsets_));
  return offset + permute(n % windows_, windows_, key_, epoch) * options_.seq_len;
}

template <class Visit>
void TokenSource::in_shards(std::int64_t first, std::int64_t count, const Visit& visit) const {
  auto shard = static_cast<std::size_t>(std::upper_bound(begins_.begin(), begins_.end(), first) -
                                        begins_.begin() - 1);
  for (; count > 0; ++shard) {
    const std::int64_t n = std::min(count, begins_[shard + 1] - first);
    visit(shards_[shard], first - begins_[shard], n);
    first += n;
    count -= n;
  }
}

void TokenSource::read(std::int64_t first, std::span<std::int32_t> out) const {
  in_shards(first, static_cast<std::int64_t>(out.size()),
            [&](const Shard& shard, std::int64_t begin, std::int64_t n) {
              shard.read(begin, out.first(static_cast<std::size_t>(n)));
              out = out.subspan(static_cast<std::size_t>(n));
            });
}

void TokenSource::fill(std::int64_t step, std::int64_t first_sample, std::int64_t samples,
                       std::int32_t* tokens, std::int32_t* targets) const {
  const std::int64_t batch = options_.global_batch, length = options_.seq_len;
  if (windows_ == 0)
    throw Error(ErrorCode::data, fmt::format("{} tokens are less than one window", tokens_));
  check_request(step, first_sample, samples);
  for (std::int64_t i = 0; i < samples; ++i) {
    const std::int64_t begin = window_begin(step * batch + first_sample + i);
    read(begin, {tokens + i * length, static_cast<std::size_t>(length)});
    read(begin + 1, {targets + i * length, static_cast<std::size_t>(length)});
  }
}

void TokenSource::will_need(std::int64_t step, std::int64_t first_sample,
                            std::int64_t samples) const {
  if (windows_ == 0) return;
  for (std::int64_t i = 0; i < samples; ++i)
    in_shards(
        window_begin(step * options_.global_batch + first_sample + i), options_.seq_len + 1,
        [](const Shard& shard, std::int64_t begin, std::int64_t n) { shard.will_need(begin, n); });
}

TokenBatch TokenSource::batch_at(std::int64_t step) const {
  TokenBatch b{options_.global_batch, options_.seq_len, {}, {}};
  b.tokens.resize(static_cast<std::size_t>(b.samples * b.seq_len));
  b.targets.resize(b.tokens.size());
  fill(step, 0, b.samples, b.tokens.data(), b.targets.data());
  return b;
}

void TokenSource::fill(std::int64_t step, std::int64_t first_sample, std::int64_t samples,
                       FieldPointers out) const {
  fill(step, first_sample, samples, static_cast<std::int32_t*>(out[0]),
       static_cast<std::int32_t*>(out[1]));
}

std::int64_t TokenSource::loss_terms(std::int64_t samples, FieldPointers filled) const {
  const auto* targets = static_cast<const std::int32_t*>(filled[1]);
  return std::count_if(targets, targets + samples * options_.seq_len,
                       [](auto id) { return id >= 0; });
}

void TokenSource::fill_eval(std::int64_t first, std::int64_t count, FieldPointers out) const {
  for (std::int64_t i = 0; i < count; ++i)
    eval_window(first + i, static_cast<std::int32_t*>(out[0]) + i * options_.seq_len,
                static_cast<std::int32_t*>(out[1]) + i * options_.seq_len);
}

std::int64_t TokenSource::eval_windows() const {
  return (tokens_ - 1 + options_.seq_len - 1) / options_.seq_len;
}

void TokenSource::eval_window(std::int64_t index, std::int32_t* tokens,
                              std::int32_t* targets) const {
  if (index < 0 || index >= eval_windows()) out_of_range("a window", index, eval_windows());
  const std::int64_t length = options_.seq_len, begin = index * length;
  const std::int64_t used = std::min(length, tokens_ - 1 - begin);
  read(begin, {tokens, static_cast<std::size_t>(used)});
  read(begin + 1, {targets, static_cast<std::size_t>(used)});
  std::fill(tokens + used, tokens + length, 0);
  std::fill(targets + used, targets + length, -1);
}

}  // namespace gigatrain
