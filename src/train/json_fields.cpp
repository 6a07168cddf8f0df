#include "json_fields.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "gigatrain/base/error.h"

namespace gigatrain {

using Json = nlohmann::json;

JsonFields::JsonFields(const Json& json, std::string file) : json_(json), file_(std::move(file)) {
  if (!json.is_object())
    throw Error(ErrorCode::corrupt, fmt::format("'{}': expected a JSON object", file_));
}

void JsonFields::fail(const char* key, const char* expected) const {
  throw Error(ErrorCode::corrupt, fmt::format("'{}': '{}' must be {}", file_, key, expected));
}

const Json& JsonFields::field(const char* key) const {
  const auto it = json_.find(key);
  if (it == json_.end()) fail(key, "present, it is missing");
  return *it;
}

std::int64_t JsonFields::integer(const char* key) const {
  const Json& value = field(key);
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > std::uint64_t{1} << 62)
    fail(key, "a whole number from 0 to 2^62");
  return value.get<std::int64_t>();
}

std::uint64_t JsonFields::hex(const char* key) const {
  const std::string digits = text(key);
  std::uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (digits.size() != 16 || error != std::errc{} || end != digits.data() + 16)
    fail(key, "16 hex digits");
  return value;
}

double JsonFields::number(const char* key, double if_null) const {
  const Json& value = field(key);
  if (value.is_null()) return if_null;
  if (!value.is_number()) fail(key, "a number or null");
  return value.get<double>();
}

std::string JsonFields::text(const char* key) const {
  const Json& value = field(key);
  if (!value.is_string()) fail(key, "a string");
  return value.get<std::string>();
}

const Json& JsonFields::object(const char* key) const {
  const Json& value = field(key);
  if (!value.is_object()) fail(key, "an object");
  return value;
}

const Json& JsonFields::list(const char* key) const {
  const Json& value = field(key);
  if (!value.is_array()) fail(key, "a list");
  return value;
}

}  // namespace gigatrain
