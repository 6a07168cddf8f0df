// Refuses keys of very many parts before toml++ sees them: a.a.a... makes a table in a table for
// each, and to free them it calls itself as deep.
#include <fmt/format.h>

#include <algorithm>

#include "config_internal.h"

namespace gigatrain::config {
namespace {

constexpr int kMostParts = 100;

// Past the string that begins at `at`, or the end where it is not closed: there a parser stops.
std::size_t end_of_string(std::string_view text, std::size_t at) {
  const char quote = text[at];
  const std::string three(3, quote);
  const bool many_lines = text.substr(at, 3) == three;
  const std::string_view mark = many_lines ? std::string_view(three) : text.substr(at, 1);
  for (at += mark.size(); at < text.size(); ++at) {
    if (quote == '"' && text[at] == '\\') {
      ++at;
    } else if (text.substr(at, mark.size()) == mark) {
      at += mark.size();
      for (int i = 0; many_lines && i < 2 && at < text.size() && text[at] == quote; ++i) ++at;
      return at;
    } else if (!many_lines && text[at] == '\n') {
      break;
    }
  }
  return text.size();
}

}  // namespace

void require_flat_keys(std::string_view text, const std::string& origin) {
  int dots = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '#') at = std::min(text.find('\n', at), text.size() - 1);
    const char c = text[at];
    if (c == '"' || c == '\'') at = end_of_string(text, at) - 1;
    if (c == ',' || c == '\n') dots = 0;  // no key goes on after these
    if (c == '.' && ++dots == kMostParts)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: a key has at most {} parts, one has more", origin, kMostParts),
                  "write keys as [section] and key = value");
  }
}

}  // namespace gigatrain::config
