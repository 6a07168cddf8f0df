#include "strict_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "gigatrain/base/error.h"

namespace gigatrain {
namespace {

using Json = nlohmann::ordered_json;

// Called by the parser for each key and each bracket; keys seen so far stand on a stack of objects.
class Guard {
 public:
  Guard(const std::string& file, int max_depth) : file_(file), max_depth_(max_depth) {}

  bool operator()(int depth, Json::parse_event_t event, Json& value) {
    using Event = Json::parse_event_t;
    if (event == Event::object_start || event == Event::array_start) open(depth);
    if (event == Event::object_end || event == Event::array_end) keys_.pop_back();
    if (event == Event::key) add(value.get<std::string>());
    return true;
  }

 private:
  void open(int depth) {
    if (depth >= max_depth_)
      throw Error(ErrorCode::corrupt,
                  fmt::format("'{}': JSON must nest at most {} levels deep", file_, max_depth_));
    keys_.emplace_back();
  }
  void add(std::string key) {
    const std::string shown = printable(key);
    if (!keys_.back().insert(std::move(key)).second)
      throw Error(ErrorCode::corrupt,
                  fmt::format("'{}': the key '{}' stands twice in one object", file_, shown));
  }

  const std::string& file_;
  int max_depth_;
  std::vector<std::set<std::string>> keys_;
};

}  // namespace

Json parse_strict_json(std::string_view text, const std::string& file, std::int64_t at,
                       int max_depth) {
  Guard guard(file, max_depth);
  try {
    return Json::parse(text.begin(), text.end(), std::ref(guard));
  } catch (const Json::parse_error& e) {
    throw Error(ErrorCode::corrupt, fmt::format("'{}' is not valid JSON at byte {}", file,
                                                at + static_cast<std::int64_t>(e.byte)));
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::corrupt, fmt::format("'{}' is not valid JSON: {}", file, e.what()));
  }
}

std::string printable(std::string_view name) {
  std::string text(name.substr(0, 120));
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 32 || c == 127) c = '?';
  return text.size() < name.size() ? text + "..." : text;
}

}  // namespace gigatrain
