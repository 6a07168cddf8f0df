// Learning-rate schedules: linear warm-up from zero to the peak, then
//
//   constant       the peak
//   linear, cosine down to the floor at the last step (cosine: Loshchilov and Hutter, SGDR,
//                  arXiv:1608.03983)
//   inverse_sqrt   peak * sqrt(w / (step + 1)), w = max(warmup, 1): Vaswani et al.,
//                  arXiv:1706.03762, scaled so that the warm-up ends at the peak; not below the
//                  floor
//   wsd            warm-up, stable, decay (Hu et al., MiniCPM, arXiv:2404.06395): the peak until
//   the
//                  last `decay` of the run, then down to the floor, in a line or as 1 - sqrt(t)
//                  (Hagele et al., arXiv:2405.18392)
#pragma once

#include <cstdint>
#include <string_view>

namespace gigatrain::optim {

struct Schedule {
  enum class Kind { constant, linear, cosine, inverse_sqrt, wsd } kind = Kind::cosine;
  enum class Shape { linear, sqrt };
  float lr = 1e-3f;             // peak
  std::int64_t warmup = 0;      // steps from 0 to the peak
  std::int64_t steps = 1;       // the whole run
  float min_lr = 0.0f;          // the floor, as a fraction of the peak, e.g. 0.1
  float decay = 0.2f;           // wsd: the part of all steps in which the rate falls, in (0, 1]
  Shape shape = Shape::linear;  // wsd: of the fall

  // For step 0, 1, ..., steps - 1; step 0 of a warm-up already moves (lr / warmup).
  float at(std::int64_t step) const;
};

Schedule::Kind parse_schedule(std::string_view kind);
Schedule::Shape parse_decay_shape(std::string_view shape);

}  // namespace gigatrain::optim
