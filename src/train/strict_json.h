// JSON from disk: no duplicate keys, a limited depth and width, and an error that names file and
// byte.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace gigatrain {

// `at`: where in the file the text begins, for messages. Objects keep the file's order of keys.
nlohmann::ordered_json parse_strict_json(std::string_view text, const std::string& file,
                                         std::int64_t at = 0, int max_depth = 8);
// The same with keys in order of their bytes, for objects of any number of keys.
nlohmann::json parse_sorted_json(std::string_view text, const std::string& file);

// The same for an object of very many entries: each is handed over when it has been read, and not
// kept, so their number costs no memory.
using JsonEntry = std::function<void(const std::string& key, const nlohmann::ordered_json& value)>;
void for_each_json_entry(std::string_view text, const std::string& file, std::int64_t at,
                         int max_depth, const JsonEntry& entry);

// Text from a file, safe to print: no control characters, at most `most` bytes of it.
std::string printable(std::string_view text, std::size_t most = 120);

}  // namespace gigatrain
