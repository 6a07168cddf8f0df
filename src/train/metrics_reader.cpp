#include "train/metrics_reader.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "gigatrain/base/error.h"
#include "train/mapped_file.h"
#include "train/strict_json.h"

namespace gigatrain {

namespace {

using Json = nlohmann::ordered_json;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kLongestLine = 1 << 20;
constexpr std::int64_t kLargestStep = std::int64_t{1} << 53;  // exact in a double
constexpr std::size_t kMostKeys = 64;

// "2025-01-31T12:00:00.250Z"
double seconds_of(const std::string& text) {
  tm t{};
  double seconds = 0;
  if (std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%7lf", &t.tm_year, &t.tm_mon, &t.tm_mday,
                  &t.tm_hour, &t.tm_min, &seconds) != 6)
    return kNan;
  t.tm_year -= 1900;
  t.tm_mon -= 1;
  return static_cast<double>(::timegm(&t)) + seconds;
}

double finite_number(const Json& value) {
  const double x = value.is_number() ? value.get<double>() : kNan;
  return std::isfinite(x) ? x : kNan;
}

std::map<std::string, double> numbers_of(const Json& object) {
  std::map<std::string, double> found;
  for (const auto& [key, value] : object.items())
    if (!std::isnan(finite_number(value)) && found.size() < kMostKeys)
      found[key] = finite_number(value);
  return found;
}

bool see_line(std::string_view text, const std::string& path,
              const std::function<void(const MetricsLine&)>& see) {
  if (text.size() > kLongestLine) return false;
  Json json;
  std::optional<MetricsLine> line;
  try {
    json = parse_strict_json(text, path);
    line.emplace(json);
  } catch (const Error&) {
    return false;
  }
  see(*line);
  return true;
}

}  // namespace

MetricsLine::MetricsLine(const Json& json) : json_(json) {
  const auto at = json.is_object() ? json.find("step") : json.end();
  const double given = at == json.end() ? kNan : finite_number(*at);
  if (!(given >= 0 && given <= static_cast<double>(kLargestStep)) || text("kind").empty())
    throw Error(ErrorCode::data, "a line of metrics has a kind and a step");
  kind = text("kind");
  step = static_cast<std::int64_t>(given);
  time = seconds_of(text("time"));
}

double MetricsLine::number(const char* key) const {
  const auto at = json_.find(key);
  return at == json_.end() ? kNan : finite_number(*at);
}

std::string MetricsLine::text(const char* key) const {
  const auto at = json_.find(key);
  return at == json_.end() || !at->is_string() ? "" : at->get<std::string>();
}

std::map<std::string, double> MetricsLine::numbers() const {
  return numbers_of(json_);
}

std::map<std::string, double> MetricsLine::numbers(const char* key) const {
  const auto at = json_.find(key);
  return at == json_.end() || !at->is_object() ? std::map<std::string, double>{} : numbers_of(*at);
}

std::map<std::string, std::string> MetricsLine::texts() const {
  std::map<std::string, std::string> found;
  for (const auto& [key, value] : json_.items())
    if (value.is_string() && found.size() < kMostKeys) found[key] = value.get<std::string>();
  return found;
}

std::int64_t read_metrics(const std::string& path,
                          const std::function<void(const MetricsLine&)>& see) {
  const MappedFile file = MappedFile::open(path, ErrorCode::io);
  std::string_view rest = file.bytes();
  std::int64_t passed_over = 0;
  while (!rest.empty()) {
    const std::size_t length = std::min(rest.find('\n'), rest.size());
    if (length > 0 && !see_line(rest.substr(0, length), path, see)) ++passed_over;
    rest.remove_prefix(std::min(length + 1, rest.size()));
  }
  return passed_over;
}

}  // namespace gigatrain
