#include "train/hf_config.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "gigatrain/base/error.h"
#include "train/strict_json.h"

namespace gigatrain {

HfConfig::HfConfig(const std::string& text, std::string origin)
    : HfConfig(std::make_shared<const Json>(parse_strict_json(text, origin)), origin, "") {
  if (!json_->is_object())
    throw Error(ErrorCode::corrupt, fmt::format("{} is not a JSON object", origin_));
}

HfConfig::HfConfig(std::shared_ptr<const Json> json, std::string origin, std::string path)
    : json_(std::move(json)), origin_(std::move(origin)), path_(std::move(path)) {}

const HfConfig::Json* HfConfig::find(const char* key) const {
  const auto at = json_->find(key);
  return at == json_->end() || at->is_null() ? nullptr : &*at;
}

bool HfConfig::has(const char* key) const {
  return find(key) != nullptr;
}

void HfConfig::fail(const char* key, const Json& value, const std::string& expected) const {
  throw Error(ErrorCode::corrupt, fmt::format("{}: '{}{}' must be {}, got {}", origin_, path_, key,
                                              expected, printable(value.dump())));
}

std::string HfConfig::text(const char* key, const std::string& fallback) const {
  const Json* value = find(key);
  if (!value) return fallback;
  if (!value->is_string()) fail(key, *value, "a string");
  return value->get<std::string>();
}

bool HfConfig::flag(const char* key, bool fallback) const {
  const Json* value = find(key);
  if (!value) return fallback;
  if (!value->is_boolean()) fail(key, *value, "true or false");
  return value->get<bool>();
}

double HfConfig::number(const char* key, double fallback) const {
  const Json* value = find(key);
  if (!value) return fallback;
  if (!value->is_number()) fail(key, *value, "a number");
  return value->get<double>();
}

std::int64_t HfConfig::as_size(const char* key, const Json& value, std::int64_t most) const {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > static_cast<std::uint64_t>(most))
    fail(key, value, fmt::format("a whole number from 0 to {}", most));
  return value.get<std::int64_t>();
}

std::int64_t HfConfig::size(const char* key, std::int64_t fallback, std::int64_t most) const {
  const Json* value = find(key);
  return value ? as_size(key, *value, most) : fallback;
}

std::int64_t HfConfig::required_size(const char* key, std::int64_t most) const {
  if (!has(key))
    throw Error(ErrorCode::corrupt, fmt::format("{}: '{}{}' is missing", origin_, path_, key));
  return size(key, 0, most);
}

std::vector<std::int64_t> HfConfig::sizes(const char* key) const {
  const Json* value = find(key);
  if (!value) return {};
  if (!value->is_array()) fail(key, *value, "a list of whole numbers");
  std::vector<std::int64_t> out;
  for (const auto& item : *value) out.push_back(as_size(key, item, 1 << 30));
  return out;
}

std::vector<std::string> HfConfig::texts(const char* key) const {
  const Json* value = find(key);
  if (!value) return {};
  if (!value->is_array()) fail(key, *value, "a list of strings");
  std::vector<std::string> out;
  for (const auto& item : *value) {
    if (!item.is_string()) fail(key, *value, "a list of strings");
    out.push_back(item.get<std::string>());
  }
  return out;
}

HfConfig HfConfig::object(const char* key) const {
  const Json* value = find(key);
  if (value && !value->is_object()) fail(key, *value, "an object");
  return {std::make_shared<const Json>(value ? *value : Json::object()), origin_,
          fmt::format("{}{}.", path_, key)};
}

void HfConfig::unsupported(const std::string& what, const std::string& next) const {
  throw Error(ErrorCode::unsupported, fmt::format("{}: {}", origin_, what), next);
}

}  // namespace gigatrain
