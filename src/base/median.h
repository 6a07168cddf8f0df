// The median of measurements.
#pragma once

#include <algorithm>
#include <vector>

namespace gigatrain {

// Of an even count the larger of the two in the middle; of none 0.
inline double median(std::vector<double> v) {
  if (v.empty()) return 0;
  const auto middle = v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2);
  std::nth_element(v.begin(), middle, v.end());
  return *middle;
}

}  // namespace gigatrain
