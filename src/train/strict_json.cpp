#include "strict_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "gigatrain/base/error.h"

namespace gigatrain {
namespace {

using Json = nlohmann::ordered_json;

// The parser looks for each new key among all before it, so many cost their square: a third of a
// second at this number.
constexpr std::size_t kMaxKeys = 16384;
// Of a document, or of one entry: a value is at least 16 times as large in memory as "0,".
constexpr std::size_t kMaxValues = 1 << 21;
// Of one text or number, of which the parser keeps several copies.
constexpr std::size_t kMaxToken = 1 << 24;

// Called by the parser for each key and each bracket; keys seen so far stand on a stack of objects.
// With `entry`, what stands in the outermost object goes there, and is then dropped by the parser.
class Guard {
 public:
  Guard(const std::string& file, int max_depth, const JsonEntry* entry)
      : file_(file), max_depth_(max_depth), entry_(entry) {}

  bool operator()(int depth, Json::parse_event_t event, Json& value) {
    using Event = Json::parse_event_t;
    if (event == Event::object_start || event == Event::array_start) {
      count();
      open(depth);
      return true;
    }
    if (event == Event::value) count();
    if (event == Event::key) {
      add(value.get<std::string>(), entry_ && depth == 1);
      return true;
    }
    if (event != Event::value) keys_.pop_back();
    if (!entry_ || depth != 1) return true;
    (*entry_)(last_, value);
    values_ = 0;
    return false;
  }

 private:
  void count() {
    if (++values_ > kMaxValues)
      throw Error(ErrorCode::corrupt,
                  fmt::format("'{}': JSON must have at most {} values", file_, kMaxValues));
  }
  void open(int depth) {
    if (depth >= max_depth_)
      throw Error(ErrorCode::corrupt,
                  fmt::format("'{}': JSON must nest at most {} levels deep", file_, max_depth_));
    keys_.emplace_back();
  }
  void add(std::string key, bool dropped) {
    if (dropped)
      last_ = key;
    else if (keys_.back().size() == kMaxKeys)
      throw Error(ErrorCode::corrupt,
                  fmt::format("'{}': an object must have at most {} keys", file_, kMaxKeys));
    const auto [at, fresh] = keys_.back().insert(std::move(key));
    if (!fresh)
      throw Error(ErrorCode::corrupt, fmt::format("'{}': the key '{}' stands twice in one object",
                                                  file_, printable(*at)));
  }

  const std::string& file_;
  int max_depth_;
  const JsonEntry* entry_;
  std::string last_;
  std::size_t values_ = 0;
  std::vector<std::set<std::string>> keys_;
};

// A number, or a text between quotes, that goes on for too long.
void require_short_tokens(std::string_view text, const std::string& file) {
  std::size_t length = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      quoted = !quoted;
      length = 0;
    } else if (quoted || (c >= '+' && c != ',' && c != ':' && c != '[' && c != ']' && c < '{')) {
      if (quoted && c == '\\') ++i;
      if (++length > kMaxToken)
        throw Error(ErrorCode::corrupt,
                    fmt::format("'{}': a text or number in JSON must have at most {} bytes", file,
                                kMaxToken));
    } else {
      length = 0;
    }
  }
}

Json parse(std::string_view text, const std::string& file, std::int64_t at, Guard guard) {
  require_short_tokens(text, file);
  try {
    return Json::parse(text.begin(), text.end(), std::ref(guard));
  } catch (const Json::parse_error& e) {
    throw Error(ErrorCode::corrupt, fmt::format("'{}' is not valid JSON at byte {}", file,
                                                at + static_cast<std::int64_t>(e.byte)));
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::corrupt, fmt::format("'{}' is not valid JSON: {}", file, e.what()));
  }
}

}  // namespace

Json parse_strict_json(std::string_view text, const std::string& file, std::int64_t at,
                       int max_depth) {
  return parse(text, file, at, Guard(file, max_depth, nullptr));
}

void for_each_json_entry(std::string_view text, const std::string& file, std::int64_t at,
                         int max_depth, const JsonEntry& entry) {
  parse(text, file, at, Guard(file, max_depth, &entry));
}

std::string printable(std::string_view text, std::size_t most) {
  std::string shown(text.substr(0, most));
  for (char& c : shown)
    if (static_cast<unsigned char>(c) < 32 || c == 127) c = '?';
  return shown.size() < text.size() ? shown + "..." : shown;
}

}  // namespace gigatrain
