// Typed reading of a Hugging Face config.json. A field of the wrong type or out of range is
// Error(corrupt) that names the file, the key and the value; null counts as absent.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace gigatrain {

class HfConfig {
 public:
  // Throws Error(corrupt) unless the text is a JSON object.
  HfConfig(const std::string& text, std::string origin);

  const std::string& origin() const { return origin_; }
  bool has(const char* key) const;

  std::string text(const char* key, const std::string& fallback) const;
  bool flag(const char* key, bool fallback) const;
  double number(const char* key, double fallback) const;
  // A whole number in [0, most].
  std::int64_t size(const char* key, std::int64_t fallback, std::int64_t most = 1 << 30) const;
  std::int64_t required_size(const char* key, std::int64_t most = 1 << 30) const;  // and not null
  std::vector<std::int64_t> sizes(const char* key) const;  // a list of such; absent: empty
  std::vector<std::string> texts(const char* key) const;   // absent: empty
  HfConfig object(const char* key) const;                  // absent: an empty one

  // Throws Error(unsupported): "<file>: <what>".
  [[noreturn]] void unsupported(const std::string& what, const std::string& next = "") const;

 private:
  using Json = nlohmann::ordered_json;
  HfConfig(std::shared_ptr<const Json> json, std::string origin, std::string path);
  const Json* find(const char* key) const;  // null: absent
  [[noreturn]] void fail(const char* key, const Json& value, const std::string& expected) const;
  std::int64_t as_size(const char* key, const Json& value, std::int64_t most) const;

  std::shared_ptr<const Json> json_;
  std::string origin_;  // file
  std::string path_;    // of a nested object, "rope_scaling."
};

}  // namespace gigatrain
