// The configuration as text: TOML, JSON, help, the tables of the reference, the frozen key list.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "config_internal.h"
#include "gigatrain/train/config_fields.h"

namespace gigatrain {
namespace config {

namespace {

// "> 0 and <= 1000", "one of f32, bf16", or "".
std::string range_text(const Field& f) {
  if (!f.choices.empty()) return fmt::format("one of {}", fmt::join(f.choices, ", "));
  std::string text;
  if (std::isfinite(f.min)) text += fmt::format("{} {:.10g}", f.above_min ? ">" : ">=", f.min);
  if (std::isfinite(f.max))
    text +=
        fmt::format("{}{} {:.10g}", text.empty() ? "" : " and ", f.below_max ? "<" : "<=", f.max);
  return text;
}

std::string default_text(const Field& f, const auto& value) {
  return f.required ? "required" : to_text(value);
}

}  // namespace

}  // namespace config

std::string to_toml(const Config& config) {
  std::string out;
  visit_sections(config, [&](const char* section, const auto& fields) {
    out += fmt::format("{}[{}]\n", out.empty() ? "" : "\n", section);
    visit_fields(fields, [&](const Field& f, const auto& value) {
      out += fmt::format("{} = {}\n", f.name, config::to_text(value));
    });
  });
  return out;
}

std::string to_json(const Config& config) {
  nlohmann::ordered_json json;
  visit_sections(config, [&](const char* section, const auto& fields) {
    auto& object = json[section] = nlohmann::ordered_json::object();
    visit_fields(fields,
                 [&](const Field& f, const auto& value) { object[std::string(f.name)] = value; });
  });
  return json.dump(2);
}

std::string config_help() {
  std::string out =
      "Configuration keys (in the file, or on the command line as section.key=value):\n";
  const Config defaults;
  visit_sections(defaults, [&](const char* section, const auto& fields) {
    visit_fields(fields, [&](const Field& f, const auto& value) {
      const std::string range = config::range_text(f);
      out += fmt::format("  {:<24} {} [{}{}{}{}]\n", fmt::format("{}.{}", section, f.name), f.doc,
                         config::default_text(f, value), range.empty() ? "" : "; ", range,
                         f.unit.empty() ? "" : fmt::format("; {}", f.unit));
    });
  });
  return out;
}

std::string config_markdown() {
  std::string out =
      "| key | type | default | valid | unit | meaning |\n|---|---|---|---|---|---|\n";
  const Config defaults;
  visit_sections(defaults, [&](const char* section, const auto& fields) {
    visit_fields(fields, [&](const Field& f, const auto& value) {
      out +=
          fmt::format("| `{}.{}` | {} | `{}` | {} | {} | {} |\n", section, f.name, type_name(value),
                      config::default_text(f, value), config::range_text(f), f.unit, f.doc);
    });
  });
  return out;
}

std::string config_fields() {
  std::string out;
  const Config defaults;
  visit_sections(defaults, [&](const char* section, const auto& fields) {
    visit_fields(fields, [&](const Field& f, const auto& value) {
      const std::string range = config::range_text(f);
      out += fmt::format("{}.{}: {} = {}{}{}\n", section, f.name, type_name(value),
                         config::default_text(f, value), range.empty() ? "" : ", ", range);
    });
  });
  return out;
}

}  // namespace gigatrain
