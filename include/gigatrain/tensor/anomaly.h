// Finds where the first NaN or Inf of a step is made. While a DetectAnomaly lives, this thread
// looks at every weight as it is used, at every output of an op that is on the tape, and at every
// gradient, as soon as they are made, and throws Error(cancelled) that names the step, forward or
// backward, the op, its layer and the parameter. It waits for the device each time, so a step is
// several times slower; without one, nothing is looked at.
#pragma once

#include <optional>
#include <span>

#include "gigatrain/tensor/diagnostics.h"
#include "gigatrain/tensor/node.h"

namespace gigatrain {

class DetectAnomaly {
 public:
  explicit DetectAnomaly(std::int64_t step = -1);  // counted from 1, for the message
  ~DetectAnomaly();
  DetectAnomaly(const DetectAnomaly&) = delete;
  DetectAnomaly& operator=(const DetectAnomaly&) = delete;

 private:
  Diagnostics before_;
};

// The first element that is NaN or Inf; integers have none.
struct NonFinite {
  std::int64_t index = 0, count = 0;  // in row-major order; how many there are
  double value = 0;
};
std::optional<NonFinite> find_non_finite(const Tensor& tensor);

// What the tape calls while a DetectAnomaly lives.
namespace anomaly {
void check_weight(const std::string& parameter, const Tensor& value);
void check_outputs(const Node& node, std::span<const Tensor> inputs,
                   std::span<Tensor* const> outputs);
// `parameter`: whose gradient it is; empty: an activation's, of input `input`.
void check_gradient(const Node& node, int input, const std::string& parameter,
                    const Tensor& gradient);
// Sums of gradients that are finite each: of a node's output, of a parameter.
void check_sum(const Node& node, const Tensor& sum);
void check_sum(const std::string& parameter, const Tensor& sum);
}  // namespace anomaly

}  // namespace gigatrain
