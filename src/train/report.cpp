#include "gigatrain/train/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "gigatrain/base/error.h"
#include "gigatrain/train/config.h"
#include "gigatrain/version.h"
#include "train/atomic_file.h"
#include "train/report_html.h"
#include "train/run_identity.h"

namespace gigatrain {

namespace {

using Json = nlohmann::ordered_json;

// Six digits are more than a screen shows; null for a gap.
Json rounded(double value) {
  return std::isfinite(value) ? Json(std::stod(fmt::format("{:.6g}", value))) : Json();
}

Json to_json(const Curve& curve) {
  Json x = Json::array(), y = Json::array(), low = Json::array(), high = Json::array();
  for (const auto& b : curve.buckets()) {
    x.push_back(rounded(b.step()));
    y.push_back(rounded(b.mean()));
    if (curve.span() == 1) continue;
    low.push_back(b.finite ? rounded(b.low) : Json());
    high.push_back(b.finite ? rounded(b.high) : Json());
  }
  Json j = {{"x", x}, {"y", y}};
  if (curve.span() > 1) j["low"] = low, j["high"] = high, j["span"] = curve.span();
  return j;
}

Json to_json(const std::vector<RunLog::Text>& texts) {
  Json j = Json::array();
  for (const auto& t : texts) j.push_back({{"step", t.step}, {"kind", t.kind}, {"text", t.text}});
  return j;
}

Json to_json(const RunLog& run) {
  Json j = {{"name", run.name},
            {"folder", run.folder},
            {"step", run.step},
            {"loss", rounded(run.loss)},
            {"seconds", rounded(run.seconds)},
            {"reason", run.reason},
            {"digest", run.digest},
            {"starts", run.starts},
            {"facts", run.facts},
            {"numbers", run.numbers},
            {"config", run.config},
            {"profiles", run.profiles},
            {"profiled_ms", rounded(run.profiled_ms)},
            {"kernel_ms", run.kernel_ms},
            {"memory", run.memory},
            {"samples", to_json(run.samples)},
            {"messages", to_json(run.messages)},
            {"left_out_messages", run.left_out_messages},
            {"unreadable_lines", run.unreadable_lines}};
  for (const auto& [field, curve] : run.curves) j["curves"][field] = to_json(curve);
  return j;
}

// JSON that cannot end the element it stands in: "<" appears in strings only.
std::string inside_a_script(const Json& json) {
  const std::string text = json.dump(-1, ' ', true, Json::error_handler_t::replace);
  std::string safe;
  for (const char c : text)
    if (c == '<')
      safe += "\\u003c";
    else
      safe += c;
  return safe;
}

// The marks stand in the page in this order.
std::string filled(std::string_view page,
                   const std::vector<std::pair<std::string_view, std::string_view>>& parts) {
  std::string text;
  for (const auto& [mark, part] : parts) {
    const std::size_t at = page.find(mark);
    text.append(page.substr(0, at)).append(part);
    page.remove_prefix(at + mark.size());
  }
  return text.append(page);
}

}  // namespace

std::string report_html(const std::vector<RunLog>& runs) {
  Json data = {{"version", GIGATRAIN_VERSION},
               {"defaults", flatten_toml(to_toml(Config{}))},
               {"runs", Json::array()}};
  for (const auto& run : runs) data["runs"].push_back(to_json(run));
  return filled(report_page::kHtml, {{"/*STYLE*/", report_page::kStyle},
                                     {"/*DATA*/", inside_a_script(data)},
                                     {"/*SCRIPT*/", report_page::kScript}});
}

ReportSummary write_report(const std::vector<std::string>& runs, const std::string& path) {
  if (runs.empty())
    throw Error(ErrorCode::invalid_argument, "a report needs at least one run folder",
                "gigatrain report runs/NAME");
  std::vector<RunLog> logs;
  for (const auto& run : runs) logs.push_back(read_run(run));
  const std::string html = report_html(logs);
  ReportSummary summary{.path = path, .bytes = static_cast<std::int64_t>(html.size())};
  if (path.empty()) summary.path = runs.size() == 1 ? runs[0] + "/report.html" : "report.html";
  replace_file(FileSystem::real(), summary.path, html);
  for (const auto& log : logs) {
    summary.last_step = std::max(summary.last_step, log.step);
    if (log.unreadable_lines > 0)
      summary.warnings.push_back(fmt::format("{} line{} of {}/metrics.jsonl could not be read",
                                             log.unreadable_lines,
                                             log.unreadable_lines == 1 ? "" : "s", log.folder));
  }
  return summary;
}

}  // namespace gigatrain
