// A field of a configuration section, described once. A section is a plain struct; the overload
// visit_fields(section, visitor) calls visitor(Field{...}, section.member) for each member in
// order. Parsing, overrides, help, JSON and TOML output are visitors, so a new key is one line.
// A field's default is the member's initialiser.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace gigatrain {

struct Field {
  std::string_view name;
  std::string_view doc;
  std::string_view unit = {};  // "steps", "sequences", "s", ... or empty
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool above_min = false;                      // min itself is excluded
  bool below_max = false;                      // max itself is excluded
  std::vector<std::string_view> choices = {};  // the valid strings, or empty for any
  bool required = false;

  bool in_range(double value) const {
    const bool low = above_min ? value > min : value >= min;
    const bool high = below_max ? value < max : value <= max;
    return low && high;  // false for NaN
  }
};

// The five types a field may have, with the names users see.
constexpr std::string_view type_name(const bool&) {
  return "boolean";
}
constexpr std::string_view type_name(const std::int64_t&) {
  return "integer";
}
constexpr std::string_view type_name(const double&) {
  return "number";
}
inline std::string_view type_name(const std::string&) {
  return "string";
}
inline std::string_view type_name(const std::vector<std::string>&) {
  return "list of strings";
}

}  // namespace gigatrain
