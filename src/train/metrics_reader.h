// metrics.jsonl, read: a hostile file until each line is checked. A line that is torn, too long, no
// JSON object, or without a kind and a step is passed over and counted.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace gigatrain {

class MetricsLine {
 public:
  explicit MetricsLine(const nlohmann::ordered_json& json);  // throws Error(data)

  std::string kind;
  std::int64_t step = 0;  // 0 to 2^53
  double time = 0;        // seconds since 1970; NaN: not told

  double number(const char* key) const;           // NaN: missing, null, of another type, not finite
  std::string text(const char* key) const;        // "": missing, or of another type
  std::map<std::string, double> numbers() const;  // of the line
  std::map<std::string, double> numbers(const char* key) const;  // of an object in it
  std::map<std::string, std::string> texts() const;

 private:
  const nlohmann::ordered_json& json_;
};

// Calls `see` for each good line; how many were passed over.
std::int64_t read_metrics(const std::string& path,
                          const std::function<void(const MetricsLine&)>& see);

}  // namespace gigatrain
