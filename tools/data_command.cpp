// `gigatrain data tokenize` and `gigatrain data inspect`.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli.h"
#include "gigatrain/train/tokenize_files.h"

namespace gigatrain::tools {
namespace {

using nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// One live line on a terminal, at most ten times a second; nothing elsewhere.
class Meter {
 public:
  explicit Meter(const Globals& globals)
      : live_(isatty(STDERR_FILENO) && !globals.quiet && !globals.json) {}
  ~Meter() {
    if (drawn_) std::fputs("\r\033[K", stderr);
  }
  void operator()(std::int64_t done, std::int64_t total) {
    if (!live_ || (drawn_ && seconds_since(last_) < 0.1)) return;
    fmt::print(stderr, "\r\033[Ktokenizing {:3.0f}%", 100.0 * double(done) / double(total));
    std::fflush(stderr);
    last_ = Clock::now();
    drawn_ = true;
  }

 private:
  bool live_, drawn_ = false;
  Clock::time_point last_;
};

ordered_json to_json(const TokenizedSplit& split) {
  if (split.path.empty()) return nullptr;
  return {{"path", split.path},
          {"tokens", *split.sidecar.tokens},
          {"documents", split.sidecar.documents},
          {"digest", fmt::format("{:016x}", split.sidecar.scan->digest)}};
}

void print_split(const char* what, const TokenizedSplit& split) {
  if (split.path.empty()) return;
  fmt::print("{:<6}{} tokens, digest {:016x}  {}\n", what, *split.sidecar.tokens,
             split.sidecar.scan->digest, split.path);
}

int tokenize(const std::string& name, TokenizeOptions options, const Globals& globals) {
  const auto begin = Clock::now();
  const auto tokenizer = make_tokenizer(name);
  TokenizeReport report;
  {
    Meter meter(globals);
    options.progress = [&](std::int64_t done, std::int64_t total) { meter(done, total); };
    report = tokenize_files(*tokenizer, options);
  }
  if (globals.json) {
    const ordered_json json = {{"text_bytes", report.text_bytes},
                               {"documents", report.documents},
                               {"seconds", seconds_since(begin)},
                               {"train", to_json(report.train)},
                               {"val", to_json(report.val)}};
    fmt::print("{}\n", json.dump());
  } else if (!globals.quiet) {
    fmt::print("text  {} bytes, {} documents, {:.1f} s\n", report.text_bytes, report.documents,
               seconds_since(begin));
    print_split("train", report.train);
    print_split("val", report.val);
  }
  return kOk;
}

// The beginning of the text, where this build knows the tokenizer that the sidecar names.
std::string decoded_head(const Shard& shard, const std::vector<std::int32_t>& ids) {
  const auto tokenizer = make_tokenizer("byte");
  if (!shard.sidecar() || shard.sidecar()->tokenizer_sha256 != tokenizer->sha256()) return {};
  Utf8Stream stream;
  return stream.push(tokenizer->decode(ids)) + stream.finish();
}

ordered_json describe(const Shard& shard, const std::vector<std::int32_t>& head) {
  ordered_json json = {{"path", shard.path()},
                       {"format", name(shard.format())},
                       {"token_bytes", shard.token_bytes()},
                       {"tokens", shard.tokens()},
                       {"documents", shard.documents()},
                       {"max_id", shard.max_id()},
                       {"digest", fmt::format("{:016x}", shard.digest())},
                       {"vocab_size", nullptr},
                       {"tokenizer_sha256", nullptr},
                       {"source", nullptr},
                       {"first_tokens", head},
                       {"text", decoded_head(shard, head)}};
  if (const auto& sidecar = shard.sidecar()) {
    json["vocab_size"] = sidecar->vocab_size;
    json["tokenizer_sha256"] = sidecar->tokenizer_sha256;
    json["source"] = sidecar->source;
  }
  return json;
}

int inspect(const std::string& path, const Globals& globals) {
  const auto begin = Clock::now();
  const Shard shard = Shard::open(path, Shard::Verify::full);
  const double seconds = seconds_since(begin);
  std::vector<std::int32_t> head(
      static_cast<std::size_t>(std::min<std::int64_t>(64, shard.tokens())));
  shard.read(0, head);
  const ordered_json json = describe(shard, head);
  if (globals.json) {
    fmt::print("{}\n", json.dump(-1, ' ', false, ordered_json::error_handler_t::replace));
    return kOk;
  }
  for (const auto& [key, value] : json.items())
    if (!value.is_null() && !(value.is_string() && value.get_ref<const std::string&>().empty()))
      fmt::print("{:<17} {}\n", key, value.dump());
  fmt::print("read whole in {:.2f} s, {:.2f} GB/s\n", seconds,
             double(shard.tokens()) * shard.token_bytes() / 1e9 / seconds);
  return kOk;
}

void add_tokenize(CLI::App& data, const Globals& globals, Action& action) {
  struct Arguments {
    std::string tokenizer = "byte", split = "tail";
    TokenizeOptions options;
  };
  auto arguments = std::make_shared<Arguments>();
  auto* app = data.add_subcommand("tokenize", "text files to token shards");
  app->footer("Example:\n  gigatrain data tokenize --input book.txt --output data/book\n");
  app->add_option("--tokenizer", arguments->tokenizer, "byte")->capture_default_str();
  app->add_option("--input", arguments->options.inputs, ".txt or .jsonl files")->required();
  app->add_option("--output", arguments->options.output, "folder for train.bin and val.bin")
      ->required();
  app->add_option("--val-fraction", arguments->options.val_fraction,
                  "share of the text for val.bin")
      ->capture_default_str();
  app->add_option("--split", arguments->split, "which text is held out: its tail")
      ->check(CLI::IsMember({"tail"}))
      ->capture_default_str();
  app->callback([arguments, &globals, &action] {
    action = [arguments, &globals] {
      return tokenize(arguments->tokenizer, arguments->options, globals);
    };
  });
}

void add_inspect(CLI::App& data, const Globals& globals, Action& action) {
  auto path = std::make_shared<std::string>();
  auto* app = data.add_subcommand("inspect", "what a token shard holds, checked from end to end");
  app->footer("Example:\n  gigatrain data inspect data/book/train.bin\n");
  app->add_option("SHARD", *path, "llm.c or Megatron .bin, or nanogpt:PATH")->required();
  app->callback(
      [path, &globals, &action] { action = [path, &globals] { return inspect(*path, globals); }; });
}

}  // namespace

void add_data(CLI::App& app, const Globals& globals, Action& action) {
  auto* data = app.add_subcommand("data", "make and look at token shards");
  data->require_subcommand(1);
  add_tokenize(*data, globals, action);
  add_inspect(*data, globals, action);
}

}  // namespace gigatrain::tools
