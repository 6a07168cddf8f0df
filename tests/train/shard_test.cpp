#include "gigatrain/train/shard.h"

#include <catch2/catch.hpp>
#include <numeric>

#include "gigatrain/base/error.h"
#include "train/temporary_folder.h"

using namespace gigatrain;
using namespace gigatrain::testing;
using Catch::Matchers::Contains;

namespace {

std::vector<std::int32_t> iota(std::int64_t n, std::int32_t modulo = 257) {
  std::vector<std::int32_t> v(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = static_cast<std::int32_t>(i) % modulo;
  return v;
}

std::string header(std::int32_t magic, std::int32_t version, std::int32_t count) {
  std::vector<std::int32_t> h(256);
  h[0] = magic, h[1] = version, h[2] = count;
  return bytes_of(h);
}

std::string problem(const std::string& path, ErrorCode code = ErrorCode::data) {
  try {
    Shard::open(path);
  } catch (const Error& e) {
    CHECK(e.code() == code);
    return e.what();
  }
  return "no error";
}

std::vector<std::int32_t> all(const Shard& s) {
  std::vector<std::int32_t> v(static_cast<std::size_t>(s.tokens()));
  s.read(0, v);
  return v;
}

ShardSidecar write(const std::string& path, const std::vector<std::int32_t>& ids,
                   std::int64_t vocab_size = 257) {
  ShardWriter writer(path, vocab_size);
  writer.append(ids);
  return writer.finish({.tokenizer_sha256 = "abc", .eot = 256, .documents = 3, .source = "s"});
}

std::string megatron_index(int dtype, const std::vector<std::int32_t>& lengths,
                           const std::vector<std::int64_t>& offsets) {
  std::string out("MMIDIDX\0\0", 9);
  out += bytes_of(std::vector<std::uint64_t>{1});
  out += static_cast<char>(dtype);
  out += bytes_of(std::vector<std::uint64_t>{lengths.size(), 2});
  return out + bytes_of(lengths) + bytes_of(offsets) + bytes_of(std::vector<std::int64_t>{0, 2});
}

}  // namespace

TEST_CASE("shard: what is written is read, with its sidecar", "[unit][train][shard]") {
  const TemporaryFolder folder;
  const std::int64_t vocab_size = GENERATE(257, 65536, 65537);
  const auto ids = iota(200'001, static_cast<std::int32_t>(vocab_size));
  const auto sidecar = write(folder / "a.bin", ids, vocab_size);
  const Shard s = Shard::open(folder / "a.bin");
  CHECK(all(s) == ids);
  CHECK(s.format() == ShardFormat::llmc);
  CHECK(s.token_bytes() == (vocab_size <= 65536 ? 2 : 4));
  CHECK(s.documents() == 3);
  CHECK(s.digest() == sidecar.scan->digest);
  CHECK(s.max_id() == vocab_size - 1);
  CHECK(s.sidecar()->tokenizer_sha256 == "abc");
  CHECK(s.sidecar()->eot == 256);
  CHECK(s.sidecar()->source == "s");
  CHECK(folder.read("a.bin").size() == 1024 + ids.size() * std::size_t(s.token_bytes()));
  CHECK_THROWS_AS(s.check_vocabulary(vocab_size - 1), Error);
  CHECK_NOTHROW(s.check_vocabulary(vocab_size));
  std::vector<std::int32_t> three(3);
  s.read(100, three);
  CHECK(three == std::vector<std::int32_t>{100, 101, 102});
  CHECK_THROWS_AS(s.read(199'999, three), Error);
  CHECK_THROWS_AS(s.read(-1, three), Error);
}

TEST_CASE("shard: the digest hashes values, not the layout", "[unit][train][shard]") {
  const TemporaryFolder folder;
  const auto ids = iota(1000, 200);
  const auto narrow = write(folder / "a.bin", ids, 257).scan->digest;
  CHECK(write(folder / "b.bin", ids, 100000).scan->digest == narrow);
  const std::string u16 = bytes_of(std::vector<std::uint16_t>(ids.begin(), ids.end()));
  folder.write("c.bin", u16);
  const Shard nano = Shard::open("nanogpt:" + folder / "c.bin");
  CHECK(nano.format() == ShardFormat::nanogpt);
  CHECK(nano.digest() == narrow);
  CHECK(all(nano) == ids);
  auto other = ids;
  std::swap(other[3], other[4]);
  CHECK(write(folder / "d.bin", other).scan->digest != narrow);
}

TEST_CASE("shard: Megatron pairs", "[unit][train][shard]") {
  const TemporaryFolder folder;
  const auto ids = iota(10);
  folder.write("m.bin", bytes_of(std::vector<std::uint16_t>(ids.begin(), ids.end())));
  folder.write("m.idx", megatron_index(8, {4, 6}, {0, 8}));
  const Shard s = Shard::open(folder / "m.bin");
  CHECK(s.format() == ShardFormat::megatron);
  CHECK(all(s) == ids);
  CHECK(s.documents() == 1);
  folder.write("i.bin", bytes_of(ids));
  folder.write("i.idx", megatron_index(4, {4, 6}, {0, 16}));
  CHECK(all(Shard::open(folder / "i.bin")) == ids);

  folder.write("m.idx", megatron_index(5, {4, 6}, {0, 8}));
  CHECK_THAT(problem(folder / "m.bin"), Contains("dtype code must be 8 (uint16) or 4 (int32)"));
  folder.write("m.idx", megatron_index(8, {4, 6}, {0, 10}));
  CHECK_THAT(problem(folder / "m.bin"), Contains("sequence 1 must begin at byte 8, got 10"));
  folder.write("m.idx", megatron_index(8, {4, 5}, {0, 8}));
  CHECK_THAT(problem(folder / "m.bin"), Contains("cover 18 bytes, the .bin beside it has 20"));
  folder.write("m.idx", megatron_index(8, {4, -1}, {0, 8}));
  CHECK_THAT(problem(folder / "m.bin"), Contains("length -1"));
  const std::string good = megatron_index(8, {4, 6}, {0, 8});
  for (std::size_t n = 0; n < good.size(); ++n) {
    folder.write("m.idx", good.substr(0, n));
    CHECK_THAT(problem(folder / "m.bin"), Contains("not a Megatron index"));
  }
  std::string huge = good;
  huge.replace(18, 8, bytes_of(std::vector<std::uint64_t>{0x8000000000000001u}));
  folder.write("m.idx", huge);
  CHECK_THAT(problem(folder / "m.bin"), Contains("does not fit"));
}

TEST_CASE("shard: a hostile file gets its own message", "[unit][train][shard]") {
  const TemporaryFolder folder;
  const std::string tokens = bytes_of(std::vector<std::uint16_t>{1, 2, 3});
  const auto open = [&](const std::string& bytes) { return problem(folder.write("x.bin", bytes)); };
  CHECK_THAT(problem(folder / "none.bin"), Contains("No such file"));
  CHECK_THAT(problem(folder.path()), Contains("it is a folder"));
  CHECK_THAT(problem("/dev/null"), Contains("not a regular file"));
  CHECK_THAT(open(""), Contains("it is empty"));
  CHECK_THAT(open("abc"), Contains("the header has 1024 bytes, the file 3"));
  CHECK_THAT(open(header(7, 1, 3) + tokens),
             Contains("must begin with 20240520 or 20240801, got 7") && Contains("nanogpt:"));
  CHECK_THAT(open(header(20240520, 7, 3) + tokens), Contains("version 1, got 7"));
  CHECK_THAT(open(header(20240801, 1, 3) + tokens), Contains("version 7, got 1"));
  CHECK_THAT(open(header(20240520, 1, 4) + tokens),
             Contains("counts 4 tokens (8 bytes), but 6 bytes follow: it was cut short"));
  CHECK_THAT(open(header(20240520, 1, 2) + tokens), Contains("counts 2 tokens"));
  CHECK_THAT(open(header(20240520, 1, -1) + tokens), Contains("counts -1 tokens"));
  CHECK_THAT(open(header(20240520, 1, 2147483647) + tokens), Contains("cut short"));
  CHECK_THAT(open(header(20240520, 1, 0)), Contains("holds no tokens"));
  CHECK_THAT(
      open(header(20240801, 7, 1) + bytes_of(std::vector<std::int32_t>{-5})),
      Contains("must be below the vocabulary size 2147483648, got 4294967291 at position 0"));
  folder.write("odd.bin", "abc");
  CHECK_THAT(problem("nanogpt:" + folder / "odd.bin"), Contains("even number of bytes"));
}

TEST_CASE("shard: a sidecar that lies is found", "[unit][train][shard]") {
  const TemporaryFolder folder;
  write(folder / "a.bin", iota(500));
  const std::string good = folder.read("a.bin"), json = folder.read("a.bin.json");
  std::string flipped = good;
  flipped[1024 + 600] ^= 1;
  folder.write("a.bin", flipped);
  CHECK_THAT(problem(folder / "a.bin"), Contains("was changed or damaged"));
  folder.write("a.bin", good);
  const auto with = [&](const std::string& text) {
    folder.write("a.bin.json", text);
    return problem(folder / "a.bin");
  };
  CHECK_THAT(with("{\"tokens\": 499}"), Contains("number of tokens should be 499, got 500"));
  CHECK_THAT(with("{\"vocab_size\": 200}"),
             Contains("below the vocabulary size 200, got 200 at position 200"));
  CHECK_THAT(with("{\"digest\": \"xyz\"}"), Contains("16 hexadecimal digits"));
  CHECK_THAT(with("{\"tokens\": -1}"), Contains("whole number >= 0"));
  CHECK_THAT(with("{\"tokens\": 1e400}"), Contains("not a shard's sidecar"));
  CHECK_THAT(with("{\"source\": 3}"), Contains("not a shard's sidecar"));
  CHECK_THAT(with("[]"), Contains("one JSON object"));
  CHECK_THAT(with(json.substr(0, json.size() / 2)), Contains("not a shard's sidecar"));
  CHECK_THAT(with(std::string(2 << 20, ' ')), Contains("it has 2097152 bytes"));
  CHECK(with("{}") == "no error");
  CHECK(with(json) == "no error");
}

TEST_CASE("shard: a writer leaves whole files or none", "[unit][train][shard]") {
  const TemporaryFolder folder;
  {
    ShardWriter writer(folder / "a.bin", 257);
    writer.append(iota(10));
    CHECK_THROWS_WITH(writer.append(std::vector<std::int32_t>{257}),
                      Contains("must be in [0, 257), got 257 at position 10"));
  }
  CHECK(std::filesystem::is_empty(folder.path()));
  CHECK_THROWS_WITH(ShardWriter(folder / "no/such/a.bin", 257), Contains("cannot create"));
  CHECK_THROWS_AS(ShardWriter(folder / "a.bin", 0), Error);
  ShardWriter empty(folder / "a.bin", 257);
  CHECK_THROWS_WITH(empty.finish({}), Contains("holds no tokens"));
}
