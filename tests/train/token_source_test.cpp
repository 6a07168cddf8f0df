#include "gigatrain/train/token_source.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "gigatrain/base/error.h"
#include "train/temporary_folder.h"

using namespace gigatrain;
using namespace gigatrain::testing;
using Catch::Matchers::Contains;

namespace {

// A shard whose token at position i is i, so that a token tells where it was read.
std::string counting_shard(const TemporaryFolder& folder, const std::string& name, int begin,
                           int end) {
  ShardWriter writer(folder / name, 1 << 20);
  for (std::int32_t id = begin; id < end; ++id) writer.append({&id, 1});
  writer.finish({.tokenizer_sha256 = "abc"});
  return folder / name;
}

}  // namespace

TEST_CASE("token source: a permutation for every size and epoch", "[unit][train][token_source]") {
  for (const std::int64_t size : {1, 2, 3, 4, 5, 17, 64, 100, 1000}) {
    std::set<std::int64_t> seen;
    for (std::int64_t i = 0; i < size; ++i) seen.insert(permute(i, size, {1, 2}, 3));
    CHECK(static_cast<std::int64_t>(seen.size()) == size);
    CHECK((*seen.begin() == 0 && *seen.rbegin() == size - 1));
  }
  int fixed = 0, same_next_epoch = 0;
  for (std::int64_t i = 0; i < 1000; ++i) {
    fixed += permute(i, 1000, {1, 2}, 0) == i;
    same_next_epoch += permute(i, 1000, {1, 2}, 0) == permute(i, 1000, {1, 2}, 1);
  }
  CHECK(fixed < 10);  // 1 is expected of a random permutation
  CHECK(same_next_epoch < 10);
  CHECK_THROWS_AS(permute(5, 5, {}, 0), Error);
}

TEST_CASE("token source: each window exactly once an epoch, targets are the next tokens",
          "[unit][train][token_source]") {
  const TemporaryFolder folder;
  const TokenSource source({counting_shard(folder, "train.bin", 0, 1003)},
                           {.seq_len = 10, .global_batch = 3, .seed = 7});
  REQUIRE(source.windows_per_epoch() == 99);
  std::set<std::int64_t> offsets;
  for (std::int64_t epoch = 0; epoch < 5; ++epoch) {
    std::vector<std::int32_t> seen;
    for (std::int64_t step = 33 * epoch; step < 33 * (epoch + 1); ++step) {
      const TokenBatch b = source.batch_at(step);
      for (std::size_t i = 0; i < b.tokens.size(); ++i) CHECK(b.targets[i] == b.tokens[i] + 1);
      seen.insert(seen.end(), b.tokens.begin(), b.tokens.end());
    }
    std::sort(seen.begin(), seen.end());
    CHECK(seen.size() == 990);
    CHECK(seen.back() == seen.front() + 989);  // consecutive, without gap or repetition
    CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
    CHECK(seen.front() < 10);
    offsets.insert(seen.front());
  }
  CHECK(offsets.size() > 1);  // the borders of windows move
}

TEST_CASE("token source: any split of a step reads the same samples",
          "[unit][train][token_source]") {
  const TemporaryFolder folder;
  const auto path = counting_shard(folder, "train.bin", 0, 500);
  const TokenSourceOptions options{.seq_len = 8, .global_batch = 12, .seed = 3};
  const TokenSource source({path}, options), again({path}, options);
  for (const std::int64_t step : {0, 1, 77, 1'000'000'000}) {
    const TokenBatch whole = source.batch_at(step);
    for (const std::int64_t micro : {1, 2, 3, 4, 6}) {
      std::vector<std::int32_t> tokens(12 * 8), targets(12 * 8);
      for (std::int64_t s = 12 - micro; s >= 0; s -= micro)
        again.fill(step, s, micro, tokens.data() + s * 8, targets.data() + s * 8);
      CHECK(tokens == whole.tokens);
      CHECK(targets == whole.targets);
    }
  }
  auto other = options;
  other.seed = 4;
  CHECK(TokenSource({path}, other).batch_at(0).tokens != source.batch_at(0).tokens);
}

TEST_CASE("token source: a known small example", "[unit][train][token_source]") {
  const TemporaryFolder folder;
  const TokenSource source({counting_shard(folder, "train.bin", 0, 5)},
                           {.seq_len = 4, .global_batch = 2, .seed = 1});
  CHECK(source.windows_per_epoch() == 1);  // five tokens are one window, whatever the epoch
  CHECK(source.batch_at(9).tokens == std::vector<std::int32_t>{0, 1, 2, 3, 0, 1, 2, 3});
  CHECK(source.batch_at(9).targets == std::vector<std::int32_t>{1, 2, 3, 4, 1, 2, 3, 4});
}

TEST_CASE("token source: shards are one stream", "[unit][train][token_source]") {
  const TemporaryFolder folder;
  counting_shard(folder, "train_1.bin", 60, 100);
  counting_shard(folder, "train_0.bin", 0, 60);
  counting_shard(folder, "val.bin", 0, 10);
  const TokenSource source({folder.path()}, {.seq_len = 7, .global_batch = 2, .seed = 7});
  CHECK(source.tokens() == 100);
  CHECK(source.shards().size() == 2);
  for (std::int64_t step = 0; step < 50; ++step) {
    const TokenBatch b = source.batch_at(step);
    for (std::size_t i = 0; i < b.tokens.size(); ++i) {
      CHECK(b.tokens[i] == b.tokens[i / 7 * 7] + static_cast<std::int32_t>(i % 7));
      CHECK(b.targets[i] == b.tokens[i] + 1);
    }
  }
}

TEST_CASE("token source: evaluation covers every target once", "[unit][train][token_source]") {
  const TemporaryFolder folder;
  for (const int size : {2, 9, 10, 31, 40, 41}) {
    const auto path = counting_shard(folder, "val.bin", 0, size);
    const TokenSource source({path}, {.seq_len = 10, .split = "val"});
    std::vector<std::int32_t> seen;
    for (std::int64_t i = 0; i < source.eval_windows(); ++i) {
      std::vector<std::int32_t> tokens(10), targets(10);
      source.eval_window(i, tokens.data(), targets.data());
      for (std::size_t t = 0; t < 10; ++t) {
        if (targets[t] >= 0) CHECK(targets[t] == tokens[t] + 1);
        if (targets[t] >= 0) seen.push_back(targets[t]);
      }
    }
    CHECK(static_cast<int>(seen.size()) == size - 1);
    CHECK((seen.front() == 1 && seen.back() == size - 1));
    CHECK(std::is_sorted(seen.begin(), seen.end()));
  }
}

TEST_CASE("token source: bad data and bad requests", "[unit][train][token_source]") {
  const TemporaryFolder folder;
  const auto path = counting_shard(folder, "train.bin", 0, 50);
  const auto with = [&](TokenSourceOptions o) { return TokenSource({path}, o); };
  CHECK_THROWS_WITH(with({.seq_len = 50}),
                    Contains("needs train.seq_len + 1 = 51 tokens") && Contains("holds 50"));
  CHECK_THROWS_WITH(with({.seq_len = 0}), Contains("seq_len must be from 1"));
  CHECK_THROWS_WITH(with({.seq_len = 5, .vocab_size = 30}),
                    Contains("below the vocabulary size 30, got 30 at position 30"));
  CHECK_THROWS_WITH(with({.seq_len = 5, .tokenizer_sha256 = "def"}),
                    Contains("made by another tokenizer") && Contains("abc") && Contains("def"));
  CHECK_THROWS_WITH(TokenSource({}, {}), Contains("no shards"));
  CHECK_THROWS_WITH(TokenSource({folder / "none.bin"}, {}), Contains("No such file"));
  CHECK_THROWS_WITH(TokenSource({folder.path()}, {.split = "val"}), Contains("must hold val*.bin"));
  const TokenSource source = with({.seq_len = 5, .global_batch = 4});
  std::vector<std::int32_t> buffer(20);
  CHECK_THROWS_AS(source.fill(-1, 0, 1, buffer.data(), buffer.data()), Error);
  CHECK_THROWS_AS(source.fill(0, 3, 2, buffer.data(), buffer.data()), Error);
  CHECK_THROWS_AS(source.eval_window(10, buffer.data(), buffer.data()), Error);
}

TEST_CASE("token source: a hint of what is read next changes nothing",
          "[unit][train][token_source]") {
  const TemporaryFolder folder;
  const std::vector<std::string> shards = {counting_shard(folder, "train_0.bin", 0, 30),
                                           counting_shard(folder, "train_1.bin", 30, 5000)};
  const TokenSource source(shards, {.seq_len = 20, .global_batch = 4, .seed = 7});
  const TokenSource plain(shards, {.seq_len = 20, .global_batch = 4, .seed = 7});
  for (std::int64_t step = 0; step < 200; ++step) {  // every window, over the border of two shards
    source.will_need(step, 0, 4);
    CHECK(source.batch_at(step).tokens == plain.batch_at(step).tokens);
  }
  const TokenSource little({counting_shard(folder, "val.bin", 0, 8)},
                           {.seq_len = 20, .global_batch = 4, .split = "val"});
  little.will_need(0, 0, 4);  // it has no windows to train on
  CHECK(little.eval_windows() == 1);
}
