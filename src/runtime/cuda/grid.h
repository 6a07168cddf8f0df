// How many blocks a kernel is launched with.
#pragma once

#include <cstdint>

namespace gigatrain {

struct Grid {
  std::int64_t x = 1, y = 1;  // x up to 2^31 - 1, y up to 65535; 0: nothing is launched
};

}  // namespace gigatrain
