// A measured curve in bounded memory: up to kMost points as they are, beyond that as many buckets,
// each with the mean, the smallest and the largest of the points that fell into it. No spike is
// lost, whatever the length of a run; only its exact place is.
#pragma once

#include <cstdint>
#include <vector>

namespace gigatrain {

class Curve {
 public:
  static constexpr std::size_t kMost = 1024;
  struct Bucket {
    std::int64_t first = 0, last = 0;     // steps
    std::int64_t points = 0, finite = 0;  // finite ones: the others are gaps
    double sum_steps = 0, sum = 0;        // of the finite ones
    double low = 0, high = 0;
    double step() const;  // mean, so that a straight line stays straight
    double mean() const;  // NaN: nothing but gaps
  };

  // NaN and infinity are gaps. A step that comes again (a run that continued from a checkpoint)
  // replaces what stood from there on.
  void add(std::int64_t step, double value);
  const std::vector<Bucket>& buckets() const { return buckets_; }
  std::int64_t span() const { return span_; }  // points in a full bucket

 private:
  void halve();
  std::vector<Bucket> buckets_;
  std::int64_t span_ = 1;
};

}  // namespace gigatrain
