// Nearest name for a misspelt one: Levenshtein's edit distance (1966) on lower-case ASCII.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "config_internal.h"

namespace gigatrain::config {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

// One row of the dynamic program at a time: row[j] = distance(a[0, i), b[0, j)).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replace = diagonal + (lower(a[i]) != lower(b[j]));
      diagonal = row[j + 1];
      row[j + 1] = std::min({replace, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

std::string suggest(std::string_view wrong, const std::vector<std::string_view>& candidates) {
  if (candidates.empty()) return "; it has no keys";
  wrong = wrong.substr(0, 64);  // a hostile name must not cost time
  const auto nearest = std::min_element(candidates.begin(), candidates.end(),
                                        [&](std::string_view a, std::string_view b) {
                                          return edit_distance(wrong, a) < edit_distance(wrong, b);
                                        });
  const std::size_t distance = edit_distance(wrong, *nearest);
  if (distance <= std::max<std::size_t>(2, nearest->size() / 3))
    return fmt::format("; did you mean '{}'?", *nearest);
  return fmt::format("; the nearest valid name is '{}' (valid: {})", *nearest,
                     fmt::join(candidates, ", "));
}

}  // namespace gigatrain::config
