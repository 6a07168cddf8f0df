// What a step's batch is made of, and how it grows: with a ramp, as is usual for large language
// models, a run begins with fewer leaves. Leaves, of A micro-batches each, follow one another
// through the whole run, so the data are a function of the step still, and each sample comes once.
//
//   gt::BatchShape{.leaves = 8, .micro_batch = 4, .seq_len = 256,
//                  .ramp = gt::parse_batch_ramp({"0: 2", "100: 8"})}   // 8, then 32 sequences
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gigatrain {

// Once `step` steps are done, a step has `leaves` leaves.
struct RampPoint {
  std::int64_t step = 0, leaves = 1;
  bool operator==(const RampPoint&) const = default;
};

struct BatchShape {
  std::int64_t leaves = 1;         // V, a power of two; of the largest step
  std::int64_t micro_batches = 1;  // A, of each leaf
  std::int64_t micro_batch = 1;    // samples (sequences) of one forward
  std::int64_t seq_len = 1;        // T; 1 for data that are not sequences of tokens
  std::vector<RampPoint> ramp{};   // from step 0 on; none: every step has V leaves

  std::int64_t global_batch() const { return leaves * micro_batches * micro_batch; }
  std::int64_t tokens() const { return global_batch() * seq_len; }

  std::int64_t leaves_at(std::int64_t step) const;
  std::int64_t leaves_before(std::int64_t step) const;  // of all steps before it, together
  std::int64_t fewest_leaves() const;
  BatchShape at(std::int64_t step) const;  // that step's, without a ramp
};

// "STEP: LEAVES" each. Throws Error(invalid_argument) for other texts.
std::vector<RampPoint> parse_batch_ramp(const std::vector<std::string>& points);
// Throws Error(invalid_argument) unless steps ascend from 0 and leaves are powers of two, the most
// of them shape.leaves.
void check_ramp(const BatchShape& shape);
std::string describe_ramp(const BatchShape& shape);  // "2 leaves, from step 100 on 8"

}  // namespace gigatrain
