// What the configuration's source files share: values as they stand in a file or an override, and
// the list of problems that a check collects before one Error names them all.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "gigatrain/base/error.h"
#include "gigatrain/train/config.h"

namespace gigatrain::config {

// A value that no field can have (a date, a table, a list of numbers); `text` says what it is.
struct OtherValue {
  std::string text;
};
using Value =
    std::variant<OtherValue, bool, std::int64_t, double, std::string, std::vector<std::string>>;

struct Entry {
  std::string section, key;
  Value value;
  std::string origin;    // "bible.toml:7" or "override 'optim.lr=1'"
  std::string raw = {};  // the text of an override, for string fields
};

struct Document {
  std::vector<Entry> entries;
  std::vector<std::pair<std::string, std::string>> sections;  // name, origin
  std::vector<std::string> problems;
};

Document read_toml(const std::string& text, const std::string& origin);    // throws on bad syntax
void require_flat_keys(std::string_view text, const std::string& origin);  // both ask it first
Value read_value(const std::string& text);  // one TOML value; other text is a string as it is

struct Problems {
  std::vector<std::string> invalid, unsupported;
  std::set<std::string> wrong_type;  // keys that need no second complaint
  void throw_if_any(const std::string& origin) const;
};

// "section.key" -> where it was set; empty for a Config filled by a program.
using Origins = std::map<std::string, std::string>;
void check(const Config& config, const Origins& origins, Problems& problems);

// "; did you mean 'n_head'?" for the candidate at the smallest edit distance, or the whole list.
std::string suggest(std::string_view wrong, const std::vector<std::string_view>& candidates);
std::size_t edit_distance(std::string_view a, std::string_view b);

std::string describe(const Value& value);  // "string \"ten\"", for error messages
std::string to_text(bool value);           // as TOML spells it
std::string to_text(std::int64_t value);
std::string to_text(double value);
std::string to_text(const std::string& value);
std::string to_text(const std::vector<std::string>& value);

}  // namespace gigatrain::config
