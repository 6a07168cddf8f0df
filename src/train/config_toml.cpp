// TOML text to entries. The only file that knows toml++.
#include <fmt/format.h>

#include <toml++/toml.h>
#include <sstream>

#include "config_internal.h"

namespace gigatrain::config {
namespace {

std::string at(const std::string& origin, const toml::node& node) {
  return fmt::format("{}:{}", origin, node.source().begin.line);
}

std::string kind_of(const toml::node& node) {
  std::ostringstream out;
  out << node.type();
  return out.str();
}

Value list_value(const toml::array& array) {
  std::vector<std::string> strings;
  for (const toml::node& item : array) {
    const auto* text = item.as_string();
    if (!text) return OtherValue{"array with a " + kind_of(item)};
    strings.push_back(text->get());
  }
  return strings;
}

Value to_value(const toml::node& node) {
  if (const auto* v = node.as_boolean()) return v->get();
  if (const auto* v = node.as_integer()) return v->get();
  if (const auto* v = node.as_floating_point()) return v->get();
  if (const auto* v = node.as_string()) return v->get();
  if (const auto* v = node.as_array()) return list_value(*v);
  return OtherValue{kind_of(node)};
}

void add_section(Document& document, const std::string& origin, std::string_view name,
                 const toml::table& table) {
  document.sections.emplace_back(name, at(origin, table));
  for (const auto& [key, node] : table)
    document.entries.push_back(
        {std::string(name), std::string(key.str()), to_value(node), at(origin, node)});
}

}  // namespace

Document read_toml(const std::string& text, const std::string& origin) try {
  const toml::table root = toml::parse(text, origin);
  Document document;
  for (const auto& [key, node] : root) {
    if (const toml::table* table = node.as_table())
      add_section(document, origin, key.str(), *table);
    else
      document.problems.push_back(
          fmt::format("{}: key '{}' stands outside a section; write it under [section]",
                      at(origin, node), std::string(key.str())));
  }
  return document;
} catch (const toml::parse_error& e) {
  const auto& begin = e.source().begin;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{}:{}:{}: not TOML: {}", origin, begin.line, begin.column,
                          std::string(e.description())),
              "mend that line; text needs quotes, as in name = \"bible\"");
}

Value read_value(const std::string& text) {
  try {
    const toml::table table = toml::parse("value = " + text);
    if (table.size() == 1) return to_value(*table.get("value"));
  } catch (const toml::parse_error&) {  // not a TOML value: a bare string, as shells pass them
  }
  return text;
}

}  // namespace gigatrain::config
