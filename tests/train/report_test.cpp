// A report from hostile and from old run folders, and what the page may never contain.
#include "gigatrain/train/report.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "gigatrain/base/error.h"
#include "train/report_html.h"
#include "train/run_log.h"
#include "train/temporary_folder.h"

using namespace gigatrain;
using Catch::Matchers::Contains;
using gigatrain::testing::TemporaryFolder;
using nlohmann::json;

namespace {

RunLog log_of(const std::string& lines) {
  const TemporaryFolder run;
  run.write("metrics.jsonl", lines);
  return read_run(run.path());
}

// The element that holds the page's data ends at the first end tag, as a browser reads it.
json data_of(const std::string& html) {
  const std::string begin = R"(<script type="application/json" id="data">)";
  const std::size_t at = html.find(begin) + begin.size();
  return json::parse(html.substr(at, html.find("</script", at) - at));
}

std::string step_line(std::int64_t step, const std::string& fields) {
  return R"({"v":1,"kind":"step","step":)" + std::to_string(step) + "," + fields + "}\n";
}

}  // namespace

TEST_CASE("report: torn, foreign and absurd lines are passed over and counted", "[unit][report]") {
  const RunLog log =
      log_of(step_line(1, R"("loss":2.5,"lr":0.1)") +
             "{\"kind\":\"step\",\"step\":2,\"loss\":NaN}\n"       // no JSON
             "{\"kind\":\"step\",\"step\":2,\"loss\":Infinity}\n"  // no JSON
             "{\"kind\":\"step\",\"step\":2,\"loss\":1e999}\n"     // out of range
             "{\"kind\":\"step\",\"step\":-2}\n{\"kind\":\"step\",\"step\":1e300}\n"
             "{\"kind\":\"step\",\"step\":\"3\"}\n{\"kind\":7,\"step\":3}\n{\"step\":3}\n"
             "[1,2]\nnull\n17\n\"text\"\n\x01\xff\xfe\n\n" +
             std::string(40, '[') + "\n{\"kind\":\"step\",\"step\":2,\"loss\":\"" +
             std::string(2 << 20, 'x') + "\"}\n" +  // longer than any line of ours
             step_line(3, R"("loss":null,"lr":"fast","grad_norm":[1],"tokens":{})") +
             step_line(4, R"("loss":1.5)") + "{\"kind\":\"step\",\"step\":5,\"lo");
  CHECK(log.step == 4);
  CHECK(log.loss == 1.5);
  CHECK(log.unreadable_lines == 16);
  const auto& loss = log.curves.at("loss").buckets();
  REQUIRE(loss.size() == 3);
  CHECK(std::isnan(loss[1].mean()));
  CHECK(log.curves.at("lr").buckets().size() == 3);
  CHECK(log.curves.count("grad_norm") == 0);
}

TEST_CASE("report: text from a run cannot become markup", "[unit][report]") {
  const std::string evil = R"(</script><script>alert(1)</script><!-- <img src=x onerror=y> & ")";
  const TemporaryFolder folder;
  const json sample = {{"kind", "sample"}, {"step", 1}, {"text", evil}};
  const json start = {{"kind", "start"}, {"step", 0}, {evil, evil}, {"device", evil}};
  const json profile = {
      {"kind", "profile"}, {"step", 1}, {"step_ms", 2}, {"kernel_ms", {{evil, 1}}}};
  folder.write("metrics.jsonl", start.dump() + "\n" + sample.dump() + "\n" + profile.dump() + "\n");
  folder.write("config.toml", "[optim]\nname = \"" + evil + "\"\n");
  folder.write("run.json", json{{evil, evil}}.dump());
  RunLog log = read_run(folder.path());
  log.name = evil;
  const std::string html = report_html({log}), plain = report_html({});
  const auto count = [](const std::string& text, const std::string& part) {
    std::size_t n = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
    return n;
  };
  for (const char* part : {"<script", "</script", "<!--", "<img"})
    CHECK(count(html, part) == count(plain, part));
  const json data = data_of(html)["runs"][0];
  CHECK(data["samples"][0]["text"] == evil);
  CHECK(data["name"] == evil);
  CHECK(data["kernel_ms"][evil] == 1);
}

TEST_CASE("report: the page asks no other place for anything", "[unit][report]") {
  const std::string html = report_html({log_of(step_line(1, R"("loss":2)"))});
  for (const char* part : {"http:", "https:", "src=", "@import", "url(", "<link", "fetch(",
                           "XMLHttpRequest", "innerHTML", "/*STYLE*/", "/*SCRIPT*/", "/*DATA*/"})
    CHECK_THAT(html, !Contains(part));
  CHECK_THAT(html, Contains("default-src 'none'"));
}

TEST_CASE("report: an old or empty run gives a report too", "[unit][report]") {
  const RunLog old = log_of(step_line(1, R"("loss":2.5)") + step_line(2, R"("loss":2.25)"));
  CHECK(old.profiles == 0);
  CHECK(old.config.empty());
  CHECK(old.messages.size() == 2);  // run.json and config.toml are not there
  const json run = data_of(report_html({old}))["runs"][0];
  CHECK(run["curves"]["loss"]["y"] == json{2.5, 2.25});
  CHECK_FALSE(run["curves"].contains("mfu"));
  CHECK(data_of(report_html({log_of("")}))["runs"][0]["step"] == 0);
}

TEST_CASE("report: time passes within a process only; the last start counts", "[unit][report]") {
  const RunLog log = log_of(
      R"({"kind":"start","step":0,"time":"2025-01-01T00:00:00.000Z","device":"a","limit_flops":5}
{"kind":"step","step":1,"time":"2025-01-01T00:00:02.000Z","loss":3}
{"kind":"step","step":2,"time":"2025-01-01T00:00:04.500Z","loss":2}
{"kind":"start","step":1,"time":"2025-01-09T00:00:00.000Z","device":"b"}
{"kind":"step","step":2,"time":"2025-01-09T00:00:01.000Z","loss":2}
{"kind":"step","step":3,"time":"never","loss":1}
{"kind":"end","step":3,"time":"2025-01-09T00:00:02.000Z","reason":"finished","digest":"00ff"}
)");
  CHECK(log.seconds == Approx(5.5));
  CHECK(log.starts == 2);
  CHECK(log.facts.at("device") == "b");
  CHECK(log.reason == "finished");
  CHECK(log.digest == "00ff");
  CHECK(log.curves.at("loss").buckets().size() == 3);  // step 2 once
}

TEST_CASE("report: a long run makes a small page", "[unit][report]") {
  std::string lines;
  for (int i = 1; i <= 10'000; ++i)
    lines += step_line(i, R"("tokens":)" + std::to_string(1024 * i) + R"(,"loss":)" +
                              std::to_string(2 + std::sin(i)) +
                              R"(,"lr":0.00123456,"grad_norm":0.7654321,"tokens_per_s":29070.123,)"
                              R"("mfu":0.68123,"mem_bytes":35651584,"step_ms":35.12345)");
  const std::string html = report_html({log_of(lines)});
  CHECK(html.size() < 500'000);
  CHECK(data_of(html)["runs"][0]["curves"]["loss"]["span"] == 16);
}

TEST_CASE("report: samples of a long run are thinned, and the newest stays", "[unit][report]") {
  std::string lines;
  for (int i = 1; i <= 1'000; ++i)
    lines += json{{"kind", "sample"}, {"step", i}, {"text", "é" + std::string(5'000, 'x')}}.dump() +
             "\n";
  const RunLog log = log_of(lines);
  CHECK(log.samples.size() <= 48);
  CHECK(log.samples.size() >= 24);
  CHECK(log.samples.front().step == 1);
  CHECK(log.samples.back().step == 1'000);
  CHECK(log.samples.back().text.size() < 4'100);
}

TEST_CASE("report: what is no run is refused with the way on", "[unit][report]") {
  const TemporaryFolder folder;
  const auto refusal = [](const std::vector<std::string>& runs) {
    try {
      write_report(runs, "/nowhere/report.html");
      return std::string();
    } catch (const Error& e) {
      return e.message() + " | " + e.next();
    }
  };
  CHECK_THAT(refusal({}), Contains("at least one run"));
  CHECK_THAT(refusal({folder / "missing"}),
             Contains("is no folder") && Contains("gigatrain train"));
  CHECK_THAT(refusal({folder.path()}), Contains("no metrics.jsonl"));
  std::filesystem::create_directory(folder / "a");
  folder.write("a/metrics.jsonl", "");
  CHECK_THAT(refusal({folder.path()}), Contains("gigatrain report " + folder.path() + "/a"));
}

TEST_CASE("report: written as a whole, for several runs", "[unit][report]") {
  const TemporaryFolder folder;
  for (const char* name : {"a", "b"}) {
    std::filesystem::create_directory(folder / name);
    folder.write(std::string(name) + "/metrics.jsonl", step_line(7, R"("loss":2)") + "torn");
  }
  const ReportSummary summary = write_report({folder / "a", folder / "b/"}, folder / "r.html");
  const std::string html = folder.read("r.html");
  CHECK(summary.bytes == static_cast<std::int64_t>(html.size()));
  CHECK(summary.last_step == 7);
  CHECK(summary.warnings.size() == 2);
  const json runs = data_of(html)["runs"];
  REQUIRE(runs.size() == 2);
  CHECK(runs[1]["name"] == "b");
}
