#include "gigatrain/train/tokenize_files.h"

#include <catch2/catch.hpp>

#include "gigatrain/base/error.h"
#include "train/temporary_folder.h"

using namespace gigatrain;
using namespace gigatrain::testing;
using Catch::Matchers::Contains;

namespace {

std::string decoded(const Tokenizer& tokenizer, const std::string& path) {
  const Shard s = Shard::open(path);
  std::vector<std::int32_t> ids(static_cast<std::size_t>(s.tokens()));
  s.read(0, ids);
  return tokenizer.decode(ids);
}

const std::string kEnd = "<|endoftext|>";

}  // namespace

TEST_CASE("tokenize: the last tenth of the text becomes val.bin", "[unit][train][tokenize]") {
  const TemporaryFolder folder;
  const auto tokenizer = make_tokenizer("byte");
  std::string text;
  for (int i = 0; i < 400'000; ++i) text += i % 7 ? char('a' + i % 26) : ' ';
  std::int64_t last = 0;
  const auto report = tokenize_files(
      *tokenizer, {.inputs = {folder.write("a.txt", text)},
                   .output = folder / "out/deep",
                   .val_fraction = 0.1,
                   .progress = [&](std::int64_t done, std::int64_t) { last = done; }});
  CHECK(decoded(*tokenizer, report.train.path) == text.substr(0, 360'000));
  CHECK(decoded(*tokenizer, report.val.path) == text.substr(360'000) + kEnd);
  CHECK(report.train.sidecar.tokens == 360'000);
  CHECK(report.val.sidecar.tokens == 40'001);
  CHECK(report.text_bytes == 400'000);
  CHECK(last == 400'000);
  CHECK(Shard::open(report.val.path).sidecar()->source == "a.txt");
}

TEST_CASE("tokenize: text longer than a piece, and no validation text", "[unit][train][tokenize]") {
  const TemporaryFolder folder;
  const auto tokenizer = make_tokenizer("byte");
  std::string text((1 << 20) - 1, 'a');
  text.append("\xC3\xA9").append(1 << 20, 'b');
  const TokenizeOptions options{
      .inputs = {folder.write("a.txt", text)}, .output = folder.path(), .val_fraction = 0};
  const auto report = tokenize_files(*tokenizer, options);
  CHECK(decoded(*tokenizer, report.train.path) == text + kEnd);
  CHECK(report.val.path.empty());
  CHECK_FALSE(std::filesystem::exists(folder / "val.bin"));
  folder.write("val.bin", "old");
  CHECK_THROWS_WITH(tokenize_files(*tokenizer, options), Contains("left from an earlier run"));
}

TEST_CASE("tokenize: the border never cuts a character", "[unit][train][tokenize]") {
  const TemporaryFolder folder;
  const auto tokenizer = make_tokenizer("byte");
  const auto report = tokenize_files(*tokenizer, {.inputs = {folder.write("a.txt", "aaa\xC3\xA9z")},
                                                  .output = folder.path(),
                                                  .val_fraction = 0.34});
  CHECK(decoded(*tokenizer, report.train.path) == "aaa\xC3\xA9");
  CHECK(decoded(*tokenizer, report.val.path) == "z" + kEnd);
}

TEST_CASE("tokenize: jsonl documents", "[unit][train][tokenize]") {
  const TemporaryFolder folder;
  const auto tokenizer = make_tokenizer("byte");
  const auto path = folder.write("a.jsonl",
                                 "{\"text\": \"one\"}\n\n"
                                 "{\"prompt\": \"2+\", \"completion\": \"2\"}\r\n"
                                 "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}");
  const auto report =
      tokenize_files(*tokenizer, {.inputs = {path}, .output = folder.path(), .val_fraction = 0});
  CHECK(decoded(*tokenizer, report.train.path) ==
        "one" + kEnd + "2+2" + kEnd + "user: hi\n" + kEnd);
  CHECK(report.documents == 3);
  CHECK(Shard::open(report.train.path).documents() == 3);
}

TEST_CASE("tokenize: bad input is named with its line, and nothing is written",
          "[unit][train][tokenize]") {
  const TemporaryFolder folder;
  const auto tokenizer = make_tokenizer("byte");
  const auto run = [&](const std::string& input, double fraction = 0.1) {
    tokenize_files(*tokenizer,
                   {.inputs = {input}, .output = folder / "out", .val_fraction = fraction});
  };
  const auto jsonl = [&](const std::string& line) {
    return folder.write("a.jsonl", "{\"text\": \"fine\"}\n" + line + "\n");
  };
  CHECK_THROWS_WITH(run(jsonl("{\"text\": 3}")), Contains("a.jsonl:2: 'text' must be a string"));
  CHECK_THROWS_WITH(run(jsonl("{\"prompt\": \"x\"}")), Contains("'completion' must be a string"));
  CHECK_THROWS_WITH(run(jsonl("{\"messages\": 1}")), Contains("'messages' must be a list"));
  CHECK_THROWS_WITH(run(jsonl("{\"messages\": [1]}")), Contains("message must be an object"));
  CHECK_THROWS_WITH(run(jsonl("{}")), Contains("an object needs 'text'"));
  CHECK_THROWS_WITH(run(jsonl("[]")), Contains("one JSON object"));
  CHECK_THROWS_WITH(run(jsonl("{\"text\": \"")), Contains("a.jsonl:2"));
  CHECK_THROWS_WITH(run(jsonl("{\"text\": \"\xff\"}")), Contains("a.jsonl:2"));
  CHECK_THROWS_WITH(run(folder.write("a.pdf", "x")), Contains("must end in .txt or .jsonl"));
  CHECK_THROWS_WITH(run(folder.write("e.txt", "")), Contains("holds no text"));
  CHECK_THROWS_WITH(run(folder / "none.txt"), Contains("No such file"));
  CHECK_THROWS_WITH(run(folder.write("a.txt", "x"), 1.0), Contains("must be in [0, 1), got 1"));
  CHECK_THROWS_AS(run(folder / "a.txt", std::nan("")), Error);
  CHECK_FALSE(std::filesystem::exists(folder / "out"));
}
