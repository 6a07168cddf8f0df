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

// What a document may hold; keys seen so far stand on a stack of objects.
class Limits {
 public:
  Limits(const std::string& file, int max_depth, std::size_t max_keys)
      : file_(file), max_depth_(max_depth), max_keys_(max_keys) {}

  void count() {
    if (++values_ > kMaxValues)
      throw Error(ErrorCode::corrupt,
                  fmt::format("'{}': JSON must have at most {} values", file_, kMaxValues));
  }
  void forget_values() { values_ = 0; }
  void open() {
    count();
    if (keys_.size() >= static_cast<std::size_t>(max_depth_))
      throw Error(ErrorCode::corrupt,
                  fmt::format("'{}': JSON must nest at most {} levels deep", file_, max_depth_));
    keys_.emplace_back();
  }
  void close() { keys_.pop_back(); }
  void add(std::string key, bool limited) {
    if (limited && keys_.back().size() == max_keys_)
      throw Error(ErrorCode::corrupt,
                  fmt::format("'{}': an object must have at most {} keys", file_, max_keys_));
    const auto [at, fresh] = keys_.back().insert(std::move(key));
    if (!fresh)
      throw Error(ErrorCode::corrupt, fmt::format("'{}': the key '{}' stands twice in one object",
                                                  file_, printable(*at)));
  }

 private:
  const std::string& file_;
  int max_depth_;
  std::size_t max_keys_, values_ = 0;
  std::vector<std::set<std::string>> keys_;
};

// Called by the parser for each key and each bracket. With `entry`, what stands in the outermost
// object goes there, and is then dropped by the parser.
class Guard {
 public:
  Guard(const std::string& file, int max_depth, const JsonEntry* entry)
      : limits_(file, max_depth, kMaxKeys), entry_(entry) {}

  bool operator()(int depth, Json::parse_event_t event, Json& value) {
    using Event = Json::parse_event_t;
    if (event == Event::object_start || event == Event::array_start) {
      limits_.open();
      return true;
    }
    if (event == Event::value) limits_.count();
    if (event == Event::key) {
      const bool dropped = entry_ && depth == 1;
      if (dropped) last_ = value.get<std::string>();
      limits_.add(value.get<std::string>(), !dropped);
      return true;
    }
    if (event != Event::value) limits_.close();
    if (!entry_ || depth != 1) return true;
    (*entry_)(last_, value);
    limits_.forget_values();
    return false;
  }

 private:
  Limits limits_;
  const JsonEntry* entry_;
  std::string last_;
};

// The same without a document: the parser looks through an object for each value in it when it is
// watched, so a large one is read twice.
class Reader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Reader(const std::string& file, int max_depth) : limits_(file, max_depth, 0) {}
  bool null() override { return value(); }
  bool boolean(bool) override { return value(); }
  bool number_integer(number_integer_t) override { return value(); }
  bool number_unsigned(number_unsigned_t) override { return value(); }
  bool number_float(number_float_t, const string_t&) override { return value(); }
  bool string(string_t&) override { return value(); }
  bool binary(binary_t&) override { return value(); }
  bool start_object(std::size_t) override { return limits_.open(), true; }
  bool start_array(std::size_t) override { return limits_.open(), true; }
  bool end_object() override { return limits_.close(), true; }
  bool end_array() override { return limits_.close(), true; }
  bool key(string_t& key) override { return limits_.add(key, false), true; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;  // the parser that makes the document says it
  }

 private:
  bool value() { return limits_.count(), true; }
  Limits limits_;
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

template <class Parse>
auto parse(std::string_view text, const std::string& file, std::int64_t at, const Parse& parser) {
  require_short_tokens(text, file);
  try {
    return parser();
  } catch (const Json::parse_error& e) {
    throw Error(ErrorCode::corrupt, fmt::format("'{}' is not valid JSON at byte {}", file,
                                                at + static_cast<std::int64_t>(e.byte)));
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::corrupt, fmt::format("'{}' is not valid JSON: {}", file, e.what()));
  }
}

Json parse(std::string_view text, const std::string& file, std::int64_t at, Guard guard) {
  return parse(text, file, at,
               [&] { return Json::parse(text.begin(), text.end(), std::ref(guard)); });
}

}  // namespace

Json parse_strict_json(std::string_view text, const std::string& file, std::int64_t at,
                       int max_depth) {
  return parse(text, file, at, Guard(file, max_depth, nullptr));
}

nlohmann::json parse_sorted_json(std::string_view text, const std::string& file) {
  return parse(text, file, 0, [&] {
    Reader reader(file, /*max_depth=*/8);
    nlohmann::json::sax_parse(text.begin(), text.end(), &reader);
    return nlohmann::json::parse(text.begin(), text.end());
  });
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
