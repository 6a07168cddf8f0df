#include "train/run_identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "gigatrain/train/config.h"

namespace gigatrain {

// to_toml writes one key a line, so a line is as good as a parse.
std::map<std::string, std::string> flatten_toml(const std::string& toml) {
  std::map<std::string, std::string> keys;
  std::istringstream in(toml);
  std::string section;
  for (std::string line; std::getline(in, line);) {
    const auto equals = line.find(" = ");
    if (line.starts_with('['))
      section = line.substr(1, line.find(']') - 1);
    else if (equals != std::string::npos && !line.starts_with('#'))
      keys[section + "." + line.substr(0, equals)] = line.substr(equals + 3);
  }
  return keys;
}

namespace {

bool may_change(const std::string& key) {
  static constexpr const char* kFree[] = {
      "run.",         "log.",      "checkpoint.", "trust.",        "data.val",
      "train.steps",  "parallel.", "train.eval_", "train.sample_", "train.limit_seconds",
      "train.anomaly"};
  return std::any_of(std::begin(kFree), std::end(kFree),
                     [&](const char* prefix) { return key.starts_with(prefix); });
}

}  // namespace

std::vector<std::string> identity_differences(const std::string& saved_toml,
                                              const std::string& toml) {
  // A key that the run's version did not know yet had what is its default now.
  static const auto defaults = flatten_toml(to_toml(Config{}));
  auto saved = flatten_toml(saved_toml);
  saved.insert(defaults.begin(), defaults.end());
  const auto now = flatten_toml(toml);
  std::vector<std::string> differences;
  for (const auto& [key, value] : now) {
    const auto before = saved.find(key);
    if (may_change(key) || (before != saved.end() && before->second == value)) continue;
    differences.push_back(fmt::format("{} was {}, is {}", key,
                                      before == saved.end() ? "not set" : before->second, value));
  }
  return differences;
}

}  // namespace gigatrain
