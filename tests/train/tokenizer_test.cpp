#include "gigatrain/train/tokenizer.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "gigatrain/base/error.h"

using namespace gigatrain;

TEST_CASE("byte tokenizer: ids are bytes, 256 ends a text", "[unit][train][tokenizer]") {
  const auto tokenizer = make_tokenizer("byte");
  CHECK(tokenizer->vocab_size() == 257);
  CHECK(tokenizer->eot() == 256);
  CHECK(tokenizer->encode("Az\xff") == std::vector<std::int32_t>{65, 122, 255});
  CHECK(tokenizer->encode("<|endoftext|>").size() == 13);
  std::string all;
  for (int b = 0; b < 256; ++b) all += static_cast<char>(b);
  CHECK(tokenizer->decode(tokenizer->encode(all)) == all);
  CHECK(tokenizer->decode(std::vector<std::int32_t>{65, 256}) == "A<|endoftext|>");
  CHECK_THROWS_WITH(tokenizer->decode(std::vector<std::int32_t>{257}),
                    Catch::Contains("in [0, 256], got 257"));
  CHECK_THROWS_AS(tokenizer->decode(std::vector<std::int32_t>{-1}), Error);
  CHECK_THROWS_WITH(make_tokenizer("gpt2"), Catch::Contains("must be 'byte', got 'gpt2'"));
}

TEST_CASE("byte tokenizer: its tokenizer.json is a byte-level BPE without merges",
          "[unit][train][tokenizer]") {
  const auto tokenizer = make_tokenizer("byte");
  const auto json = nlohmann::json::parse(tokenizer->to_json());
  CHECK(json["model"]["type"] == "BPE");
  CHECK(json["model"]["merges"].empty());
  CHECK(json["pre_tokenizer"]["type"] == "ByteLevel");
  CHECK(json["pre_tokenizer"]["add_prefix_space"] == false);
  CHECK(json["decoder"]["type"] == "ByteLevel");
  CHECK(json["added_tokens"][0]["id"] == 256);
  const auto& vocab = json["model"]["vocab"];
  CHECK(vocab.size() == 257);
  std::set<int> ids;
  for (const auto& [text, id] : vocab.items()) ids.insert(id.get<int>());
  CHECK((ids.size() == 257 && *ids.begin() == 0 && *ids.rbegin() == 256));
  CHECK(vocab["A"] == 65);
  CHECK(vocab["\xC4\xA0"] == 32);   // space is U+0120
  CHECK(vocab["\xC4\x8A"] == 10);   // line feed is U+010A
  CHECK(vocab["\xC3\xA9"] == 233);  // Latin-1 letters stand for themselves
  CHECK(vocab["\xC5\x83"] == 173);  // the soft hyphen, the last that does not print
  CHECK(tokenizer->sha256().size() == 64);
  CHECK(tokenizer->sha256() == make_tokenizer("byte")->sha256());
}

TEST_CASE("UTF-8 stream: whole characters only, however the bytes are cut",
          "[unit][train][tokenizer]") {
  const std::string text = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    Utf8Stream stream;
    const std::string first = stream.push(text.substr(0, cut));
    CHECK(is_utf8(first));
    const std::string rest = stream.push(text.substr(cut));
    CHECK(stream.finish() == "");
    CHECK(first + rest == text);
  }
  Utf8Stream bytes;
  std::string joined;
  for (const char c : text) joined += bytes.push({&c, 1});
  CHECK(joined + bytes.finish() == text);
}

TEST_CASE("UTF-8 stream: broken bytes become U+FFFD", "[unit][train][tokenizer]") {
  const std::string bad = "\xEF\xBF\xBD";
  Utf8Stream stream;
  CHECK(stream.push("a\xFF"
                    "b") == "a" + bad + "b");
  CHECK(stream.push("\xE2\x82") == "");
  CHECK(stream.push("x") == bad + "x");
  CHECK(stream.push("\xF0\x9F") == "");
  CHECK(stream.finish() == bad);
  CHECK(stream.finish() == "");
  CHECK_FALSE(is_utf8("\xC0\x80"));      // overlong
  CHECK_FALSE(is_utf8("\xED\xA0\x80"));  // surrogate
  CHECK_FALSE(is_utf8("\xF4\x90\x80\x80"));
  CHECK_FALSE(is_utf8("\xE2\x82"));
  CHECK(is_utf8(""));
}
