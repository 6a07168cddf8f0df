// metrics.jsonl: the fields of each kind of line, NaN, torn lines, and one write a line.
#include "gigatrain/train/metrics.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <nlohmann/json.hpp>
#include <regex>
#include <thread>

#include "gigatrain/base/error.h"
#include "train/temporary_folder.h"

using namespace gigatrain;
using gigatrain::testing::TemporaryFolder;
using nlohmann::json;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

// Every line, parsed; a line that is no JSON object throws.
std::vector<json> lines_of(const std::string& text) {
  REQUIRE((text.empty() || text.back() == '\n'));
  std::vector<json> lines;
  std::stringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(json::parse(line));
  return lines;
}

std::vector<std::string> keys_of(const json& line) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : line.items()) keys.push_back(key);
  return keys;
}

}  // namespace

TEST_CASE("metrics: each kind of line and its fields", "[unit]") {
  const TemporaryFolder folder;
  {
    MetricsWriter metrics(folder / "m");
    metrics.start(3, {{"version", "1.2"}}, {{"limit_flops", 5e9}});
    metrics.step({.step = 4,
                  .tokens = 400,
                  .loss = 2.5,
                  .lr = 1e-3,
                  .grad_norm = 0.1,
                  .step_ms = 12.5,
                  .tokens_per_s = 8000,
                  .mfu = 0.5,
                  .mem_bytes = 4096,
                  .comm_ms = 0,
                  .data_ms = 1});
    metrics.eval({.step = 4, .tokens = 400, .loss = 2.25, .best = true});
    metrics.ckpt({.step = 4, .tokens = 400, .path = "ckpt/step_00000004", .digest = "00ff"});
    metrics.warn("slow \"disk\"\n", 4);
    metrics.error("lost", 4);
    metrics.end({.step = 5, .tokens = 500, .reason = "finished", .digest = "0100"});
    metrics.profile(
        {.step = 5, .step_ms = 3, .kernel_ms = {{"norm", 2}}, .mem_bytes = {{"data", 8}}});
    metrics.sample("<text>", 5);
  }
  const auto lines = lines_of(folder.read("m"));
  REQUIRE(lines.size() == 9);
  const std::vector<std::string> kinds = {"start", "step", "eval",    "ckpt",  "warn",
                                          "error", "end",  "profile", "sample"};
  const std::regex rfc3339(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)");
  for (std::size_t i = 0; i < lines.size(); ++i) {
    CHECK(lines[i]["v"] == 1);
    CHECK(lines[i]["kind"] == kinds[i]);
    CHECK(std::regex_match(lines[i]["time"].get<std::string>(), rfc3339));
  }
  CHECK(lines[0]["step"] == 3);
  CHECK(lines[0]["version"] == "1.2");
  CHECK(lines[0]["limit_flops"] == 5e9);
  CHECK(lines[7]["step_ms"] == 3);
  CHECK(lines[7]["kernel_ms"]["norm"] == 2);
  CHECK(lines[7]["mem_bytes"]["data"] == 8);
  CHECK(lines[8]["text"] == "<text>");
  CHECK(keys_of(lines[1]) == std::vector<std::string>{"comm_ms", "data_ms", "grad_norm", "kind",
                                                      "loss", "lr", "mem_bytes", "mfu", "step",
                                                      "step_ms", "time", "tokens", "tokens_per_s",
                                                      "v"});
  CHECK(lines[1]["tokens"] == 400);
  CHECK(lines[1]["lr"] == 1e-3);
  CHECK(lines[2]["loss"] == 2.25);
  CHECK(lines[2]["best"] == true);
  CHECK(lines[3]["path"] == "ckpt/step_00000004");
  CHECK(lines[3]["digest"] == "00ff");
  CHECK(lines[4]["message"] == "slow \"disk\"\n");
  CHECK(lines[6]["reason"] == "finished");
  CHECK(lines[6]["digest"] == "0100");
}

TEST_CASE("metrics: what was not measured is left out", "[unit]") {
  const TemporaryFolder folder;
  MetricsWriter(folder / "m").step({.step = 1, .tokens = 2, .loss = 3, .lr = 4, .grad_norm = 5});
  CHECK(keys_of(lines_of(folder.read("m")).at(0)) ==
        std::vector<std::string>{"grad_norm", "kind", "loss", "lr", "step", "time", "tokens", "v"});
}

TEST_CASE("metrics: doubles come back exactly", "[unit]") {
  const TemporaryFolder folder;
  const double loss = 0.1 + 0.2, lr = 5e-324, norm = 1.7976931348623157e308;
  MetricsWriter(folder / "m").step({.step = 1, .loss = loss, .lr = lr, .grad_norm = norm});
  const auto line = lines_of(folder.read("m")).at(0);
  CHECK(line["loss"].get<double>() == loss);
  CHECK(line["lr"].get<double>() == lr);
  CHECK(line["grad_norm"].get<double>() == norm);
}

TEST_CASE("metrics: a number that is not finite is null, and a warning names it", "[unit]") {
  const TemporaryFolder folder;
  MetricsWriter(folder / "m").step({.step = 7, .loss = kNan, .lr = 1, .grad_norm = -kInf});
  const auto lines = lines_of(folder.read("m"));
  REQUIRE(lines.size() == 2);
  CHECK(lines[0]["loss"].is_null());
  CHECK(lines[0]["grad_norm"].is_null());
  CHECK(lines[1]["kind"] == "warn");
  CHECK(lines[1]["step"] == 7);
  CHECK_THAT(lines[1]["message"].get<std::string>(), Catch::Contains("loss, grad_norm"));
}

TEST_CASE("metrics: text that is not UTF-8 still gives a JSON line", "[unit]") {
  const TemporaryFolder folder;
  MetricsWriter(folder / "m").warn("bad \xff\xfe byte", 1);
  CHECK_THAT(lines_of(folder.read("m")).at(0)["message"].get<std::string>(),
             Catch::Contains("byte"));
}

TEST_CASE("metrics: an existing file is continued, never rewritten", "[unit]") {
  const TemporaryFolder folder;
  MetricsWriter(folder / "m").warn("first", 1);
  const std::string before = folder.read("m");
  MetricsWriter(folder / "m").warn("second", 2);
  const std::string after = folder.read("m");
  CHECK(after.substr(0, before.size()) == before);
  CHECK(lines_of(after).size() == 2);
}

TEST_CASE("metrics: a last line that a crash has torn is ended first", "[unit]") {
  const TemporaryFolder folder;
  const std::string torn = "{\"v\":1}\n{\"v\":1,\"kin";
  folder.write("m", torn);
  MetricsWriter(folder / "m").warn("again", 1);
  const std::string text = folder.read("m");
  REQUIRE(text.substr(0, torn.size() + 1) == torn + "\n");
  CHECK(lines_of(text.substr(torn.size() + 1)).at(0)["message"] == "again");
}

TEST_CASE("metrics: lines of two writers never mix", "[unit]") {
  const TemporaryFolder folder;
  MetricsWriter a(folder / "m"), b(folder / "m");
  const auto write = [](MetricsWriter& metrics, char letter) {
    for (int i = 0; i < 300; ++i) metrics.warn(std::string(200, letter), i);
  };
  std::thread other([&] { write(b, 'b'); });
  write(a, 'a');
  other.join();
  const auto lines = lines_of(folder.read("m"));
  CHECK(lines.size() == 600);
  for (const auto& line : lines) {
    const auto message = line["message"].get<std::string>();
    if (message != std::string(200, message.front())) FAIL("mixed: " << message);
  }
}

TEST_CASE("metrics: links, folders and FIFOs are refused", "[unit]") {
  const TemporaryFolder folder;
  folder.write("target", "mine\n");
  REQUIRE(::symlink((folder / "target").c_str(), (folder / "link").c_str()) == 0);
  REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
  CHECK_THROWS_AS(MetricsWriter(folder / "link"), Error);
  CHECK_THROWS_AS(MetricsWriter(folder.path()), Error);
  CHECK_THROWS_WITH(MetricsWriter(folder / "fifo"), Catch::Contains("not a regular file"));
  CHECK_THROWS_WITH(MetricsWriter(folder / "no/m"), Catch::Contains("cannot open"));
  CHECK(folder.read("target") == "mine\n");
}

TEST_CASE("metrics: a write that fails half way is an error, and tears one line only", "[unit]") {
  const TemporaryFolder folder;
  MetricsWriter metrics(folder / "m");
  // A file that may not grow past 10 bytes behaves as on a full disk.
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit tiny = {10, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &tiny) == 0);
  std::string message;
  try {
    metrics.warn("does not fit", 1);
  } catch (const Error& e) {
    message = e.what();
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  CHECK_THAT(message, Catch::Contains("cannot write '" + (folder / "m")));
  metrics.warn("fits again", 2);
  const std::string text = folder.read("m");
  REQUIRE(text.substr(10, 1) == "\n");
  CHECK(lines_of(text.substr(11)).at(0)["message"] == "fits again");
}
