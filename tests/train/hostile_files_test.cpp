// Files made to hurt: each is refused, or read where it is legal, within a second and in bounded
// memory.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "gigatrain/train/checkpoint_files.h"
#include "gigatrain/train/config.h"
#include "gigatrain/train/safetensors.h"
#include "gigatrain/train/shard.h"
#include "train/bounded.h"
#include "train/strict_json.h"
#include "train/temporary_folder.h"

using namespace gigatrain;
using namespace gigatrain::testing;
using Catch::Contains;

namespace {

constexpr std::int64_t kMiB = 1 << 20;

std::string with_header(const std::string& header, const std::string& data = "") {
  std::uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
}

std::string tensor(std::size_t i) {
  return "\"model.layers." + std::to_string(1000000 + i) +
         ".weight\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}";
}

std::string many(std::size_t n, std::string (*entry)(std::size_t)) {
  std::string text = "{";
  for (std::size_t i = 0; i < n; ++i) {
    if (i > 0) text += ',';
    text += entry(i);
  }
  return text + "}";
}

// Opens a safetensors file of these bytes.
std::string refusal(const TemporaryFolder& folder, const std::string& bytes,
                    std::int64_t most = 300 * kMiB) {
  const std::string path = folder.write("x.safetensors", bytes);
  const Cost cost = cost_of([&] { SafetensorsFile::open(path); });
  UNSCOPED_INFO(cost.seconds << " s, " << double(cost.bytes) / kMiB << " MiB");
  if (kMeasures) {
    CHECK(cost.seconds < 1);
    CHECK(cost.bytes < most);
  }
  return cost.refusal;
}

}  // namespace

TEST_CASE("hostile safetensors: sizes that no file has", "[unit][hostile]") {
  const TemporaryFolder f;
  const auto length = [](std::uint64_t n) {
    return std::string(reinterpret_cast<const char*>(&n), 8) + "{}";
  };
  for (const std::uint64_t n : {std::uint64_t{1} << 63, ~std::uint64_t{0}, std::uint64_t{1} << 62})
    CHECK_THAT(refusal(f, length(n), kMiB), Contains("header length must be at most"));
  CHECK_THAT(refusal(f, length(100'000'000), kMiB), Contains("2 bytes follow"));
  const auto shape = [](const std::string& sizes) {
    return with_header(R"({"a":{"dtype":"F64","shape":[)" + sizes + R"(],"data_offsets":[0,0]}})");
  };
  CHECK_THAT(refusal(f, shape("4294967296,4294967296"), kMiB), Contains("overflows"));
  CHECK_THAT(refusal(f, shape("4611686018427387904,4"), kMiB), Contains("overflows"));
  CHECK_THAT(refusal(f, shape("1152921504606846976"), kMiB), Contains("overflows"));
  CHECK_THAT(refusal(f, shape("1000000000000"), kMiB), Contains("needs 8000000000000 bytes"));
  CHECK_THAT(refusal(f, shape("18446744073709551616"), kMiB), Contains("whole numbers"));
}

TEST_CASE("hostile safetensors: a million tensors", "[unit][hostile]") {
  const TemporaryFolder f;
  CHECK_THAT(refusal(f, with_header(many(1'000'000, tensor))), Contains("at most 262144 tensors"));
  CHECK(refusal(f, with_header(many(100'000, tensor))).empty());
}

TEST_CASE("hostile safetensors: a header of 100 MB", "[unit][hostile]") {
  const TemporaryFolder f;
  constexpr std::size_t kBytes = 100'000'000;
  CHECK(refusal(f, with_header("{}" + std::string(kBytes - 2, ' '))).empty());
  CHECK_THAT(refusal(f, with_header("{\"" + std::string(kBytes - 2, 'x'))),
             Contains("at most 16777216 bytes"));
  CHECK_THAT(refusal(f, with_header("{" + std::string(kBytes - 1, '['))), Contains("not valid"));
  CHECK_THAT(refusal(f, with_header("{\"a\":" + std::string(kBytes - 5, '['))),
             Contains("at most 4 levels deep"));
  CHECK_THAT(refusal(f, with_header("{\"a\":[" + std::string(kBytes - 6, '1'))),
             Contains("at most 16777216 bytes"));
  std::string zeros = R"({"a":{"dtype":"F32","shape":[)";
  while (zeros.size() < kBytes) zeros += "0,0,0,0,0,0,0,0,";
  zeros.resize(kBytes);
  CHECK_THAT(refusal(f, with_header(zeros)), Contains("at most 2097152 values"));
  CHECK_THAT(refusal(f, with_header(std::string(kBytes + 1, ' '))), Contains("at most 100000000"));
}

TEST_CASE("hostile JSON: deep, wide, and keys that stand twice", "[unit][hostile]") {
  const auto cost = [](const std::string& text) {
    return cost_of([&] { parse_strict_json(text, "x.json"); });
  };
  const std::string deep(100'000, '['),
      wide = many(1'000'000, [](std::size_t i) { return "\"" + std::to_string(i) + "\":1"; });
  for (const auto& [text, why] : {std::pair{deep, "at most 8 levels deep"},
                                  {wide, "at most 16384 keys"},
                                  {std::string(R"({"a":{"b":1,"b":1}})"), "'b' stands twice"}}) {
    const Cost c = cost(text);
    CHECK_THAT(c.refusal, Contains(why));
    if (kMeasures) CHECK(c.seconds < 1);
    if (kMeasures) CHECK(c.bytes < 50 * kMiB);
  }
}

TEST_CASE("hostile TOML: deep, long, and bytes that a terminal would obey", "[unit][hostile]") {
  for (const std::string& text :
       {"a = " + std::string(100'000, '['), "a" + std::string(100'000, '.') + "b = 1",
        std::string("[ %'"), std::string("\"\\u001b[2J\" = 1\n"),
        "a = " + std::string(900'000, '1'), std::string("[model]\n\"\\u0007\" = 1\n"),
        std::string("[\"\\u0007\"]\n")}) {
    const Cost c = cost_of([&] { parse_config(text, "x.toml"); });
    CHECK(!c.refusal.empty());
    for (const char letter : c.refusal)
      REQUIRE((letter == '\n' || (static_cast<unsigned char>(letter) >= 32 && letter != 127)));
    if (kMeasures) CHECK(c.seconds < 1);
    if (kMeasures) CHECK(c.bytes < 50 * kMiB);
  }
}

TEST_CASE("hostile TOML: keys of very many parts", "[unit][hostile]") {
  std::string key = "a";
  for (int i = 0; i < 500'000; ++i) key += ".a";
  for (const std::string& text :
       {key + " = 1", "[" + key + "]", "b = '''\n''''' \n" + key + " = 1", "# '\n" + key + " = 1",
        "b = [\"\"\"\n\"\"\", {" + key + " = 1}]", "\"\\\"\"." + key + " = 1"}) {
    const Cost c = cost_of([&] { parse_config(text, "x.toml"); });
    CHECK_THAT(c.refusal, Contains("a key has at most 100 parts"));
  }
  std::string shards = "'a.bin'";  // dots in strings are no keys
  for (int i = 0; i < 10'000; ++i) shards += ", \"./data/x.y.z.bin\"";
  CHECK_THROWS_WITH(parse_config("[data]\ntrain = [" + shards + "]", "x.toml"),
                    Contains("section [model] is required") && !Contains("parts"));
  std::string sections;
  for (int i = 0; i < 10'000; ++i) sections += "[m" + std::to_string(i) + "]\n";
  const Cost c = cost_of([&] { parse_config(sections, "x.toml"); });
  CHECK_THAT(c.refusal, Contains("problems in x.toml") && Contains("..."));
  CHECK(c.refusal.size() < 20'000);
}

// toml++ 3.3 leaves undefined what its table of white space says of these.
TEST_CASE("hostile TOML: letters with accents where white space may stand", "[unit][hostile]") {
  for (const char* letter : {"\u00e9", "\u0100", "\u0499", "\u1681", "\u2010", "\ufefe"}) {
    const std::string text = letter;
    CHECK_THROWS_AS(parse_config("a = 1 " + text, "x.toml"), Error);
    CHECK_THROWS_AS(parse_config("a = '''\n''' " + text + "\n[b]\n", "x.toml"), Error);
  }
}

TEST_CASE("hostile shards: a sidecar that is deep, wide or large", "[unit][hostile]") {
  const TemporaryFolder f;
  const std::string shard = f.write("x.bin", std::string(4, '\1'));
  for (const auto& [text, why] : {std::pair{std::string(100'000, '['), "levels deep"},
                                  {std::string(2'000'000, ' '), "it has 2000000 bytes"},
                                  {std::string(R"({"tokens":2,"tokens":3})"), "stands twice"}}) {
    f.write("x.bin.json", text);
    const Cost c = cost_of([&] { Shard::open("nanogpt:" + shard); });
    CHECK_THAT(c.refusal, Contains(why));
    if (kMeasures) CHECK(c.seconds < 1);
    if (kMeasures) CHECK(c.bytes < 50 * kMiB);
  }
}
