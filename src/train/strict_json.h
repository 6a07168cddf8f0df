// JSON from disk: no duplicate keys, a limited depth, and an error that names file and byte.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace gigatrain {

// `at`: where in the file the text begins, for messages. Objects keep the file's order of keys.
nlohmann::ordered_json parse_strict_json(std::string_view text, const std::string& file,
                                         std::int64_t at = 0, int max_depth = 8);

// A name from a file, safe to print: no control characters, at most 120 characters.
std::string printable(std::string_view name);

}  // namespace gigatrain
