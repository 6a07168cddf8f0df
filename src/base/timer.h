// How long something took, on this host.
#pragma once

#include <chrono>

namespace gigatrain {

// Runs from when it is made.
class Timer {
 public:
  double ms() const {
    return std::chrono::duration<double, std::milli>(Clock::now() - start_).count();
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

}  // namespace gigatrain
