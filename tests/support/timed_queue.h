// A queue whose time tests can predict.
#pragma once

#include <memory>

#include "kernels/simt/simt_queue.h"

namespace gigatrain::test {

// Markers one millisecond apart.
class TimedQueue : public SimtQueue {
 public:
  struct At : Marker {
    explicit At(int at) : ms(at) {}
    void wait() override {}
    double ms_since(const Marker& earlier) override {
      return ms - dynamic_cast<const At&>(earlier).ms;
    }
    int ms;
  };
  std::unique_ptr<Marker> mark() override { return std::make_unique<At>(next_++); }

 private:
  int next_ = 0;
};

}  // namespace gigatrain::test
