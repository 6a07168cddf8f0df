// safetensors: round trip, conversion, and every way in which a hostile file is refused.
#include "gigatrain/train/safetensors.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>

#include "gigatrain/base/error.h"
#include "train/safetensors_internal.h"
#include "train/temporary_folder.h"

using namespace gigatrain;
using gigatrain::testing::bytes_of;
using gigatrain::testing::TemporaryFolder;

namespace {

// The file with this header, as it would stand before `data`.
std::string with_header(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
}

// The error of opening a file with these bytes; "" if it opens.
std::string refusal(const TemporaryFolder& folder, const std::string& bytes) {
  const std::string path = folder.write("hostile.safetensors", bytes);
  try {
    SafetensorsFile::open(path);
    return "";
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::corrupt);
    CHECK_THAT(e.what(), Catch::Contains(path));
    return e.what();
  }
}

std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"a":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets +
         "}}";
}

}  // namespace

TEST_CASE("safetensors: what is written reads back", "[unit]") {
  const TemporaryFolder folder;
  std::vector<float> w = {1, -2, 3.5f, 4, 5, 6};
  std::vector<std::uint8_t> b = {7, 8, 9};
  std::vector<std::int64_t> i = {-1};
  std::vector<float> none;
  const std::vector<NamedView> views = {{"b", {b.data(), DType::u8, {3}}},
                                        {"w", {w.data(), DType::f32, {2, 3}}},
                                        {"i", {i.data(), DType::i64, {}}},
                                        {"empty", {none.data(), DType::f32, {0, 4}}}};
  const std::string path = folder / "x.safetensors";
  const WrittenFile written = write_safetensors(path, views, {{"format", "pt"}});

  const auto file = SafetensorsFile::open(path);
  CHECK(file.names() == std::vector<std::string>{"b", "empty", "i", "w"});
  CHECK(file.metadata().at("format") == "pt");
  CHECK(file.at("w").shape == Shape{2, 3});
  CHECK(file.at("w").offset % 8 == 0);
  CHECK(std::memcmp(file.at("w").data, w.data(), 24) == 0);
  CHECK(std::memcmp(file.at("b").data, b.data(), 3) == 0);
  CHECK(std::memcmp(file.at("i").data, i.data(), 8) == 0);
  CHECK(file.find("nothing") == nullptr);
  CHECK_THROWS_AS(file.at("nothing"), Error);

  const std::string bytes = folder.read("x.safetensors");
  CHECK(written.bytes == static_cast<std::int64_t>(bytes.size()));
  CHECK(written.sha256 == sha256(bytes));
  CHECK(write_safetensors(path, views, {{"format", "pt"}}).sha256 == written.sha256);
}

TEST_CASE("safetensors: SHA-256 of the standard's example", "[unit]") {
  CHECK(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("safetensors: copying converts floating types and checks shapes", "[unit]") {
  const TemporaryFolder folder;
  // 1, -2, the smallest subnormal, the largest, infinity, as binary16.
  const std::vector<std::uint16_t> half = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x7e00};
  folder.write("h", with_header(one("F16", "[6]", "[0,12]"), bytes_of(half)));
  const auto file = SafetensorsFile::open(folder / "h");
  std::vector<float> out(6);
  copy_tensor(file.at("a"), {out.data(), DType::f32, {6}});
  CHECK(out[0] == 1.0f);
  CHECK(out[1] == -2.0f);
  CHECK(out[2] == 0x1p-24f);
  CHECK(out[3] == 65504.0f);
  CHECK(std::isinf(out[4]));
  CHECK(std::isnan(out[5]));
  std::vector<bf16> narrow(6);
  copy_tensor(file.at("a"), {narrow.data(), DType::bf16, {6}});
  CHECK(float(narrow[1]) == -2.0f);

  CHECK_THROWS_WITH(copy_tensor(file.at("a"), {out.data(), DType::f32, {2, 3}}),
                    Catch::Contains("shape (6), expected (2, 3)"));
  std::vector<std::int32_t> integers(6);
  CHECK_THROWS_WITH(copy_tensor(file.at("a"), {integers.data(), DType::i32, {6}}),
                    Catch::Contains("F16"));
}

TEST_CASE("safetensors: hostile headers are refused", "[unit]") {
  const TemporaryFolder f;
  const std::string four(4, '\1');
  const auto contains = [](const char* text) { return Catch::Contains(text); };
  REQUIRE(refusal(f, with_header(one("F32", "[1]", "[0,4]"), four)).empty());
  CHECK(refusal(f, with_header(one("F32", "[1]", "[0,4]") + "   ", four)).empty());

  CHECK_THAT(refusal(f, ""), contains("at least 8 bytes"));
  CHECK_THAT(refusal(f, std::string(8, '\xff')), contains("at most 100000000"));
  CHECK_THAT(refusal(f, std::string("\x40\0\0\0\0\0\0\0{}", 10)), contains("2 bytes follow"));
  CHECK_THAT(refusal(f, with_header("[]", "")), contains("must be a JSON object"));
  CHECK_THAT(refusal(f, with_header("{\"a\":", "")), contains("not valid JSON at byte"));
  CHECK_THAT(refusal(f, with_header(R"({"a":[[[[[1]]]]]})", "")), contains("at most 4 levels"));
  CHECK_THAT(refusal(f, with_header(R"({"a":{"dtype":"F32","dtype":"F32"}})", "")),
             contains("the key 'dtype' stands twice"));
  const std::string empty = R"("a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})";
  CHECK_THAT(refusal(f, with_header("{" + empty + "," + empty + "}", "")),
             contains("the key 'a' stands twice"));
  CHECK_THAT(refusal(f, with_header(R"({"__metadata__":{"a":1}})", "")),
             contains("must be a string"));
  CHECK_THAT(refusal(f, with_header(R"({"a":7})", "")), contains("tensor 'a'"));
  CHECK_THAT(refusal(f, with_header(R"({"a":{"dtype":"F32"}})", "")), contains("is missing"));
  CHECK_THAT(refusal(f, with_header(one("F33", "[1]", "[0,4]"), four)), contains("unknown dtype"));
  CHECK_THAT(refusal(f, with_header(one("F32", "[-1]", "[0,4]"), four)), contains("whole numbers"));
  CHECK_THAT(refusal(f, with_header(one("F32", "[1.0]", "[0,4]"), four)),
             contains("whole numbers"));
  CHECK_THAT(refusal(f, with_header(one("F32", "[1,1,1,1,1,1,1]", "[0,4]"), four)),
             contains("dims"));
  CHECK_THAT(refusal(f, with_header(one("F32", "[4294967296,4294967296]", "[0,4]"), four)),
             contains("overflows"));
  CHECK_THAT(refusal(f, with_header(one("F32", "[4611686018427387904]", "[0,0]"), "")),
             contains("overflows"));
  CHECK_THAT(refusal(f, with_header(one("F32", "[0,4294967296,4294967296]", "[0,0]"), "")),
             contains("overflows"));
  CHECK_THAT(refusal(f, with_header(one("F32", "[1]", "[4,0]"), four)), contains("must lie in"));
  CHECK_THAT(refusal(f, with_header(one("F32", "[2]", "[0,8]"), four)), contains("must lie in"));
  CHECK_THAT(refusal(f, with_header(one("F32", "[2]", "[0,4]"), four)), contains("needs 8 bytes"));
  CHECK_THAT(refusal(f, with_header(one("F32", "[1]", "[0,4]"), four + four)),
             contains("4 bytes at the end"));
  CHECK_THAT(refusal(f, with_header(one("F32", "[1]", "[4,8]"), four + four)),
             contains("4 bytes before it"));
  const std::string twice = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                            R"("b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})";
  CHECK_THAT(refusal(f, with_header(twice, four + "xx")), contains("overlaps"));
}

TEST_CASE("safetensors: a truncated file is refused at every length", "[unit]") {
  const TemporaryFolder folder;
  std::vector<float> w(5, 1.5f);
  write_safetensors(folder / "x", std::vector<NamedView>{{"w", {w.data(), DType::f32, {5}}}});
  const std::string whole = folder.read("x");
  REQUIRE(refusal(folder, whole).empty());
  for (std::size_t n = 0; n < whole.size(); ++n) {
    INFO("length " << n);
    CHECK(!refusal(folder, whole.substr(0, n)).empty());
  }
}

TEST_CASE("safetensors: only regular files are opened", "[unit]") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(SafetensorsFile::open(folder / "missing"), Catch::Contains("missing"));
  CHECK_THROWS_WITH(SafetensorsFile::open(folder.path()), Catch::Contains("it is a folder"));
  REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
  CHECK_THROWS_WITH(SafetensorsFile::open(folder / "fifo"), Catch::Contains("not a regular file"));
  REQUIRE(::symlink("/dev/zero", (folder / "link").c_str()) == 0);
  CHECK_THROWS_WITH(SafetensorsFile::open(folder / "link"), Catch::Contains("is a link"));
}

TEST_CASE("safetensors: what cannot be stored is refused before a file is made", "[unit]") {
  const TemporaryFolder folder;
  std::vector<float> w(4);
  const TensorView view(w.data(), DType::f32, {4});
  TensorView strided = view;
  strided.strides[0] = 2;
  const std::string path = folder / "x";
  using Views = std::vector<NamedView>;
  CHECK_THROWS_WITH(write_safetensors(path, Views{{"a", view}, {"a", view}}),
                    Catch::Contains("two tensors"));
  CHECK_THROWS_WITH(write_safetensors(path, Views{{"a", strided}}), Catch::Contains("contiguous"));
  CHECK_THROWS_WITH(write_safetensors(path, Views{{"", view}}), Catch::Contains("reserved"));
  CHECK_THROWS_WITH(write_safetensors(path, Views{{"\xff", view}}), Catch::Contains("UTF-8"));
  CHECK_THROWS_WITH(write_safetensors(folder / "no/x", Views{{"a", view}}),
                    Catch::Contains("cannot create"));
  CHECK(names_in(folder.path()).empty());
}

TEST_CASE("safetensors: a folder of shards and its index", "[unit]") {
  const TemporaryFolder folder;
  std::vector<float> w = {1, 2};
  const TensorView view(w.data(), DType::f32, {2});
  using Views = std::vector<NamedView>;
  CHECK_THROWS_WITH(ModelFiles::open(folder.path()), Catch::Contains("neither"));
  write_safetensors(folder / "m-1.safetensors", Views{{"a", view}});
  write_safetensors(folder / "m-2.safetensors", Views{{"b", view}});
  const auto index = [&](const std::string& map) {
    folder.write("model.safetensors.index.json", R"({"metadata":{},"weight_map":)" + map + "}");
  };
  index(R"({"a":"m-1.safetensors","b":"m-2.safetensors"})");
  CHECK(ModelFiles::open(folder.path()).names() == std::vector<std::string>{"a", "b"});

  for (const std::string bad : {"../m-1.safetensors", "/etc/passwd", "..", "", "x/y"}) {
    index(R"({"a":")" + bad + R"("})");
    CHECK_THROWS_WITH(ModelFiles::open(folder.path()), Catch::Contains("plain name"));
  }
  index(R"({"a":"m-1.safetensors","b":"m-1.safetensors"})");
  CHECK_THROWS_WITH(ModelFiles::open(folder.path()), Catch::Contains("'b' must stand in"));
  index("[]");
  CHECK_THROWS_WITH(ModelFiles::open(folder.path()), Catch::Contains("weight_map"));
  write_safetensors(folder / "m-2.safetensors", Views{{"a", view}});
  index(R"({"a":"m-1.safetensors","b":"m-2.safetensors"})");
  CHECK_THROWS_WITH(ModelFiles::open(folder.path()), Catch::Contains("stands in"));
  write_safetensors(folder / "model.safetensors", Views{{"a", view}});
  CHECK(ModelFiles::open(folder.path()).names().size() == 1);
}

TEST_CASE("safetensors: a file that transformers wrote", "[unit]") {
  const auto model = ModelFiles::open(GIGATRAIN_TEST_DATA "/gpt2_tiny");
  CHECK(model.at("transformer.h.0.attn.c_attn.weight").dtype == "F32");
}
