// Typed fields of a JSON object read from disk: a missing or wrong one is Error(corrupt) that names
// the file and the key. Private to sources that include nlohmann/json.hpp.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace gigatrain {

class JsonFields {
 public:
  JsonFields(const nlohmann::json& json, std::string file);

  std::int64_t integer(const char* key) const;  // not negative, at most 2^62
  std::uint64_t hex(const char* key) const;     // a string of 16 hex digits
  double number(const char* key, double if_null) const;
  std::string text(const char* key) const;
  const nlohmann::json& object(const char* key) const;
  const nlohmann::json& list(const char* key) const;

 private:
  const nlohmann::json& field(const char* key) const;
  [[noreturn]] void fail(const char* key, const char* expected) const;
  const nlohmann::json& json_;
  std::string file_;
};

}  // namespace gigatrain
