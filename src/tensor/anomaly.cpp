#include "gigatrain/tensor/anomaly.h"

#include <fmt/format.h>

#include <cmath>

#include "gigatrain/base/error.h"

namespace gigatrain {

Diagnostics& diagnostics() {
  thread_local Diagnostics current;
  return current;
}

DetectAnomaly::DetectAnomaly(std::int64_t step) : before_(diagnostics()) {
  diagnostics().anomaly = true;
  diagnostics().step = step;
}
DetectAnomaly::~DetectAnomaly() {
  diagnostics().anomaly = before_.anomaly;
  diagnostics().step = before_.step;
}

std::optional<NonFinite> find_non_finite(const Tensor& tensor) {
  if (!tensor || !is_floating(tensor.dtype())) return std::nullopt;
  std::optional<NonFinite> found;
  const auto values = tensor.to_vector<double>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    // A NaN has no sign that means anything.
    if (!found)
      found = {.index = static_cast<std::int64_t>(i),
               .value = std::isnan(values[i]) ? NAN : values[i]};
    ++found->count;
  }
  return found;
}

namespace {

[[noreturn]] void report(const char* phase, const std::string& what, const NonFinite& found,
                         const Tensor& tensor) {
  const std::int64_t step = diagnostics().step;
  throw Error(ErrorCode::cancelled,
              fmt::format("{}{}: {}: {} at element {} of {} {}, {} such of {}",
                          step >= 0 ? fmt::format("step {}, ", step) : "", phase, what, found.value,
                          found.index, name(tensor.dtype()), tensor.shape().str(), found.count,
                          tensor.numel()),
              "this is where the first value that is not finite appears; look at what went in "
              "there, lower optim.lr, or set precision.compute = \"f32\"");
}

std::string op_and_layer(const Node& node) {
  return node.layer().empty() ? fmt::format("'{}'", node.name())
                              : fmt::format("'{}' of layer '{}'", node.name(), node.layer());
}

// An op that got the value did not make it.
std::string culprit(std::span<const Tensor> inputs) {
  int index = 0;
  for (const auto& input : inputs) {
    if (find_non_finite(input))
      return fmt::format("its input {}{} already held one", index,
                         input.leaf() && !input.leaf()->owner.empty()
                             ? fmt::format(" (parameter '{}')", input.leaf()->owner)
                             : "");
    ++index;
  }
  return "all its inputs are finite";
}

}  // namespace

void anomaly::check_weight(const std::string& parameter, const Tensor& value) {
  const auto found = find_non_finite(value);
  if (!found) return;
  const std::string* layer = diagnostics().layer;
  report("forward",
         fmt::format("parameter '{}'{} is not finite", parameter,
                     layer ? fmt::format(" of layer '{}'", *layer) : ""),
         *found, value);
}

void anomaly::check_outputs(const Node& node, std::span<const Tensor> inputs,
                            std::span<Tensor* const> outputs) {
  int index = 0;
  for (const auto* output : outputs) {
    if (const auto found = find_non_finite(*output))
      report("forward",
             fmt::format("{} made output {} not finite ({})", op_and_layer(node), index,
                         culprit(inputs)),
             *found, *output);
    ++index;
  }
}

void anomaly::check_gradient(const Node& node, int input, const std::string& parameter,
                             const Tensor& gradient) {
  const auto found = find_non_finite(gradient);
  if (!found) return;
  const std::string whose =
      parameter.empty() ? fmt::format("input {}", input) : fmt::format("parameter '{}'", parameter);
  report("backward",
         fmt::format("{} made the gradient of {} not finite", op_and_layer(node), whose), *found,
         gradient);
}

namespace {

void require_finite_sum(const std::string& of, const Tensor& sum) {
  if (const auto found = find_non_finite(sum))
    report("backward", fmt::format("the sum of the gradients of {} is not finite", of), *found,
           sum);
}

}  // namespace

void anomaly::check_sum(const Node& node, const Tensor& sum) {
  require_finite_sum(op_and_layer(node), sum);
}
void anomaly::check_sum(const std::string& parameter, const Tensor& sum) {
  require_finite_sum(fmt::format("parameter '{}'", parameter), sum);
}

}  // namespace gigatrain
