// From text and overrides to a checked Config. Problems are collected, so that a user mends a
// file once.
#include <fmt/format.h>

#include <filesystem>

#include "config_internal.h"
#include "gigatrain/train/config_fields.h"
#include "read_file.h"
#include "strict_json.h"

namespace gigatrain {
namespace config {
namespace {

// Assigning returns false when the value's type does not fit the field's.
template <class T>
bool assign(const Entry& entry, T& field) {
  if (const T* v = std::get_if<T>(&entry.value)) return field = *v, true;
  return false;
}

bool assign(const Entry& entry, double& field) {
  if (const auto* v = std::get_if<std::int64_t>(&entry.value))
    return field = static_cast<double>(*v), true;
  return assign<double>(entry, field);
}

bool assign(const Entry& entry, std::string& field) {
  if (assign<std::string>(entry, field)) return true;
  if (!entry.raw.empty()) return field = entry.raw, true;  // run.name=2024 needs no quotes
  return false;
}

bool assign(const Entry& entry, std::vector<std::string>& field) {
  std::string one;
  if (assign<std::vector<std::string>>(entry, field)) return true;
  if (assign(entry, one)) return field = {one}, true;
  return false;
}

class Loader {
 public:
  void document(const Document& document);
  void override_with(const std::string& text);
  Config finish(const std::string& origin);

 private:
  void entry(const Entry& entry);
  void unknown_section(const std::string& section, const std::string& origin);
  void unknown_key(const Entry& entry, const std::vector<std::string_view>& keys);
  bool is_section(const std::string& name) const;

  Config config_;
  Origins origins_;
  Problems problems_;
  bool has_model_ = false;
};

bool Loader::is_section(const std::string& name) const {
  bool found = false;
  visit_sections(config_, [&](const char* s, const auto&) { found |= name == s; });
  return found;
}

void Loader::document(const Document& document) {
  problems_.invalid = document.problems;
  for (const auto& [section, origin] : document.sections) {
    has_model_ |= section == "model";
    if (!is_section(section)) unknown_section(section, origin);
  }
  for (const Entry& e : document.entries)
    if (is_section(e.section)) entry(e);
}

void Loader::unknown_section(const std::string& section, const std::string& origin) {
  std::vector<std::string_view> names;
  visit_sections(config_, [&](const char* s, const auto&) { names.push_back(s); });
  problems_.invalid.push_back(fmt::format("{}: unknown section [{}]{}", origin, printable(section),
                                          suggest(section, names)));
}

// A key that is right but stands in the wrong section is named with its own section.
void Loader::unknown_key(const Entry& e, const std::vector<std::string_view>& keys) {
  std::string hint;
  visit_sections(config_, [&](const char* section, const auto& fields) {
    visit_fields(fields, [&](const Field& f, const auto&) {
      if (f.name == e.key && hint.empty()) hint = fmt::format("; it belongs to [{}]", section);
    });
  });
  if (hint.empty()) hint = suggest(e.key, keys);
  problems_.invalid.push_back(
      fmt::format("{}: unknown key '{}' in [{}]{}", e.origin, printable(e.key), e.section, hint));
}

void Loader::entry(const Entry& e) {
  bool found = false;
  std::vector<std::string_view> keys;
  const auto set = [&](const Field& f, auto& value) {
    keys.push_back(f.name);
    if (f.name != e.key) return;
    found = true;
    origins_[e.section + "." + e.key] = e.origin;
    if (assign(e, value)) return;
    problems_.wrong_type.insert(e.section + "." + e.key);
    problems_.invalid.push_back(fmt::format("{}: {}.{} must be of type {}, got {}", e.origin,
                                            e.section, e.key, type_name(value), describe(e.value)));
  };
  visit_sections(config_, [&](const char* section, auto& fields) {
    if (e.section == section) visit_fields(fields, set);
  });
  if (!found) unknown_key(e, keys);
}

void Loader::override_with(const std::string& text) {
  const std::string origin = fmt::format("override '{}'", text);
  const auto equals = text.find('=');
  const auto dot = text.find('.');
  if (equals == std::string::npos || dot == std::string::npos || dot > equals) {
    problems_.invalid.push_back(origin + ": must read section.key=value");
    return;
  }
  const std::string raw = text.substr(equals + 1);
  const Entry e{text.substr(0, dot), text.substr(dot + 1, equals - dot - 1), read_value(raw),
                origin, raw};
  has_model_ |= e.section == "model";
  if (is_section(e.section))
    entry(e);
  else
    unknown_section(e.section, origin);
}

Config Loader::finish(const std::string& origin) {
  if (!has_model_)
    problems_.invalid.push_back(fmt::format("{}: section [model] is required", origin));
  if (config_.train.micro_batch == 0 && config_.train.global_batch > 0)
    config_.train.micro_batch = default_micro_batch(config_.train.global_batch);
  check(config_, origins_, problems_);
  problems_.throw_if_any(origin);
  return config_;
}

}  // namespace

void Problems::throw_if_any(const std::string& origin) const {
  constexpr std::size_t kShown = 50;  // a hostile file could have any number
  if (invalid.empty() && unsupported.empty()) return;
  std::vector<std::string> all = invalid;
  all.insert(all.end(), unsupported.begin(), unsupported.end());
  const std::size_t count = all.size();
  if (count > kShown) {
    all.resize(kShown);
    all.push_back("...");
  }
  throw Error(invalid.empty() ? ErrorCode::unsupported : ErrorCode::invalid_argument,
              fmt::format("{} problem{} in {}:\n    {}", count, count == 1 ? "" : "s", origin,
                          fmt::join(all, "\n    ")),
              "mend what is listed; docs/reference.md describes every key");
}

}  // namespace config

namespace {

Config parse(const std::string& text, const std::string& origin,
             const std::vector<std::string>& overrides, const std::string& default_name) {
  config::Loader loader;
  loader.document(config::read_toml(text, origin));
  for (const auto& text_of_override : overrides) loader.override_with(text_of_override);
  Config config = loader.finish(origin);
  if (config.run.name.empty()) config.run.name = default_name;
  return config;
}

}  // namespace

Config parse_config(const std::string& text, const std::string& origin,
                    const std::vector<std::string>& overrides) {
  return parse(text, origin, overrides, "run");
}

Config load_config(const std::string& path, const std::vector<std::string>& overrides) {
  constexpr std::int64_t kMaxBytes = 1 << 20;
  const auto file = OpenFile::open(path, Links::follow, ErrorCode::invalid_argument);
  if (file.size() > kMaxBytes)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a configuration has at most {} bytes, {} has {}", kMaxBytes, path,
                            file.size()),
                "check that this is the file you meant");
  return parse(file.read(kMaxBytes), path, overrides, std::filesystem::path(path).stem().string());
}

}  // namespace gigatrain
