#include "gigatrain/optim/groups.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <regex>

#include "gigatrain/base/error.h"

namespace gigatrain::optim {

namespace {

constexpr std::string_view kRegex = "re:";

[[noreturn]] void malformed(std::string_view text, const std::string& why) {
  throw Error(
      ErrorCode::invalid_argument,
      fmt::format("a group must be 'PATTERN: lr=FACTOR, decay=VALUE', got '{}': {}", text, why),
      "write e.g. \"*.wte.*: lr=0.1, decay=0\"");
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::regex compiled(std::string_view pattern) {
  try {
    return std::regex(pattern.begin() + kRegex.size(), pattern.end());
  } catch (const std::regex_error& e) {
    malformed(pattern, fmt::format("not a regular expression ({})", e.what()));
  }
}

// Backtracking to the last *, so linear in practice.
bool matches_glob(std::string_view pattern, std::string_view name) {
  std::size_t p = 0, n = 0, star = std::string_view::npos, resume = 0;
  while (n < name.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n]) && pattern[p] != '*') {
      ++p, ++n;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++, resume = n;
    } else if (star != std::string_view::npos) {
      p = star + 1, n = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

float number(std::string_view rule, std::string_view key, std::string_view text) {
  const std::string copy(text);
  char* end = nullptr;
  const float value = std::strtof(copy.c_str(), &end);
  if (copy.empty() || end != copy.c_str() + copy.size() || !std::isfinite(value) || value < 0.0f)
    malformed(rule, fmt::format("{} must be a number of at least 0, got '{}'", key, text));
  return value;
}

void set(GroupRule& rule, std::string_view text, std::string_view setting) {
  const auto equals = setting.find('=');
  const std::string_view key = trimmed(setting.substr(0, equals));
  const std::string_view value =
      equals == std::string_view::npos ? "" : trimmed(setting.substr(equals + 1));
  if (key == "lr")
    rule.lr_scale = number(text, key, value);
  else if (key == "decay")
    rule.weight_decay = number(text, key, value);
  else
    malformed(text, fmt::format("'{}' is neither lr nor decay", key));
}

void require_used(const std::vector<GroupRule>& rules, const std::vector<bool>& used) {
  for (std::size_t i = 0; i < rules.size(); ++i)
    if (!used[i])
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("the pattern '{}' matches no parameter{}", rules[i].pattern,
                              i > 0 ? " that an earlier pattern left" : ""),
                  "names are paths such as 'transformer.h.0.attn.c_attn.weight'; * matches any "
                  "text");
}

}  // namespace

bool matches_pattern(std::string_view pattern, std::string_view name) {
  if (!pattern.starts_with(kRegex)) return matches_glob(pattern, name);
  return std::regex_match(name.begin(), name.end(), compiled(pattern));
}

GroupRule parse_group_rule(std::string_view text) {
  // The last colon: a regular expression may hold others.
  const auto colon = text.rfind(':');
  const std::size_t prefix = text.starts_with(kRegex) ? kRegex.size() : 0;
  if (colon == std::string_view::npos || colon < prefix)
    malformed(text, "there is no ':' after the pattern");
  GroupRule rule{.pattern = std::string(trimmed(text.substr(0, colon)))};
  if (rule.pattern.empty()) malformed(text, "the pattern is empty");
  if (rule.pattern.starts_with(kRegex)) compiled(rule.pattern);
  std::string_view rest = text.substr(colon + 1);
  if (trimmed(rest).empty()) malformed(text, "it sets neither lr nor decay");
  for (;;) {
    const auto comma = rest.find(',');
    set(rule, text, trimmed(rest.substr(0, comma)));
    if (comma == std::string_view::npos) return rule;
    rest = rest.substr(comma + 1);
  }
}

std::vector<ParameterGroup> groups_by_pattern(const std::vector<Parameter*>& parameters,
                                              const std::vector<GroupRule>& rules,
                                              float weight_decay) {
  std::vector<ParameterGroup> groups;
  std::vector<bool> used(rules.size(), false);
  std::vector<Parameter*> rest;
  for (auto* p : parameters) {
    std::size_t i = 0;
    while (i < rules.size() && !matches_pattern(rules[i].pattern, p->name())) ++i;
    if (i == rules.size()) {
      rest.push_back(p);
      continue;
    }
    used[i] = true;
    const float usual = p->decays() ? weight_decay : 0.0f;
    groups.push_back({{p}, rules[i].lr_scale, rules[i].weight_decay.value_or(usual)});
  }
  require_used(rules, used);
  for (auto& group : decay_groups(rest, weight_decay)) groups.push_back(std::move(group));
  return groups;
}

}  // namespace gigatrain::optim
