// A configuration's values as text, as TOML spells them.
#include <fmt/format.h>

#include <cmath>

#include "config_internal.h"
#include "gigatrain/train/config_fields.h"

namespace gigatrain::config {

std::string to_text(bool value) {
  return value ? "true" : "false";
}
std::string to_text(std::int64_t value) {
  return fmt::format("{}", value);
}

// The shortest decimal that reads back as the same double; TOML wants a point or an exponent.
std::string to_text(double value) {
  std::string text = fmt::format("{}", value);
  if (std::isfinite(value) && text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string to_text(const std::string& value) {
  std::string out = "\"";
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      out += {'\\', c};
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (byte < 0x20 || byte == 0x7f)
      out += fmt::format("\\u{:04x}", byte);
    else
      out += c;
  }
  return out + '"';
}

std::string to_text(const std::vector<std::string>& value) {
  std::string out = "[";
  for (const auto& item : value) out += (out.size() > 1 ? ", " : "") + to_text(item);
  return out + "]";
}

namespace {

std::string describe_one(const OtherValue& v) {
  return v.text;
}
std::string describe_one(const auto& v) {
  return fmt::format("{} {}", type_name(v), to_text(v));
}

}  // namespace

std::string describe(const Value& value) {
  return std::visit([](const auto& v) { return describe_one(v); }, value);
}

}  // namespace gigatrain::config
