// Where the ranks' time of a step went.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

namespace gigatrain {

// Of one rank: reading data; waiting for other ranks and for what they send; all else. exposed_ms:
// the part of wait_ms after the last rank had called, so while data moved; the rest of it is that
// the ranks were not equally quick.
struct RankTimes {
  double data_ms = 0, compute_ms = 0, wait_ms = 0, exposed_ms = 0;
  double busy_ms() const { return data_ms + compute_ms; }
};

// The rank that the others wait for, if it is busy for a tenth longer than the quickest one.
inline std::optional<int> slowest_rank(const std::vector<RankTimes>& ranks) {
  if (ranks.empty()) return std::nullopt;
  const auto busier = [](const RankTimes& a, const RankTimes& b) {
    return a.busy_ms() < b.busy_ms();
  };
  const auto [least, most] = std::minmax_element(ranks.begin(), ranks.end(), busier);
  if (most->busy_ms() <= 1.1 * least->busy_ms()) return std::nullopt;
  return static_cast<int>(most - ranks.begin());
}

}  // namespace gigatrain
