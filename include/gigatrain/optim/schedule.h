// Learning-rate schedules: linear warm-up, then constant, linear or cosine (Loshchilov and Hutter,
// SGDR, arXiv:1608.03983) down to a floor.
#pragma once

#include <cstdint>
#include <string_view>

namespace gigatrain::optim {

struct Schedule {
  enum class Kind { constant, linear, cosine } kind = Kind::cosine;
  float lr = 1e-3f;         // peak
  std::int64_t warmup = 0;  // steps from 0 to the peak
  std::int64_t steps = 1;   // the whole run
  float min_lr = 0.0f;      // the floor, as a fraction of the peak, e.g. 0.1

  // For step 0, 1, ..., steps - 1; step 0 of a warm-up already moves (lr / warmup).
  float at(std::int64_t step) const;
};

Schedule::Kind parse_schedule(std::string_view kind);

}  // namespace gigatrain::optim
