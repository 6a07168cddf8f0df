#include "gigatrain/tensor/check_gradients.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "gigatrain/base/error.h"
#include "gigatrain/tensor/node.h"

namespace gigatrain {

namespace {

using Function = std::function<Tensor(const std::vector<Tensor>&)>;

void require(bool ok, const std::string& text) {
  if (!ok) throw Error(ErrorCode::invalid_argument, "check_gradients: " + text);
}

// The gradient of each input by the tape, on leaves that share the inputs' memory.
std::vector<std::vector<double>> by_backward(const Function& f, const std::vector<Tensor>& inputs) {
  std::vector<Tensor> leaves;
  for (const auto& input : inputs) {
    leaves.push_back(input.detach());
    leaves.back().require_grad();
  }
  const Tensor y = f(leaves);
  require(y && y.numel() == 1 && y.dtype() == DType::f64,
          fmt::format("the function must give one f64 value, got {}",
                      y ? fmt::format("{} {}", name(y.dtype()), y.shape().str()) : "nothing"));
  backward(y);
  std::vector<std::vector<double>> gradients;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    require(static_cast<bool>(leaves[i].leaf()->gradient),
            fmt::format("the function does not depend on input {}", i));
    gradients.push_back(leaves[i].leaf()->gradient.to_vector<double>());
  }
  return gradients;
}

GradientError compare(std::size_t input, const std::vector<double>& got,
                      const std::vector<double>& want) {
  GradientError e{.input = input};
  double difference = 0, norm = 0, most = -1;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double d = std::abs(got[i] - want[i]);
    difference += d * d;
    norm += want[i] * want[i];
    if (!(d <= most)) {  // NaN too
      most = d;
      e.index = static_cast<std::int64_t>(i);
      e.got = got[i];
      e.want = want[i];
    }
  }
  e.error = difference == 0 ? 0.0 : std::sqrt(difference) / std::max(std::sqrt(norm), 1e-4);
  return e;
}

}  // namespace

std::string GradientError::str() const {
  return fmt::format(
      "input {}: relative error {:.2e}, most at element {}: {} by backward, {} by "
      "central differences",
      input, error, index, got, want);
}

std::vector<double> central_differences(const std::function<double()>& f, const Tensor& x,
                                        double step) {
  const NoGrad off;
  double* values = x.view().as<double>();
  std::vector<double> g(static_cast<std::size_t>(x.numel()));
  for (std::size_t i = 0; i < g.size(); ++i) {
    const double before = values[i];
    values[i] = before + step;
    const double up = f();
    values[i] = before - step;
    const double down = f();
    values[i] = before;
    g[i] = (up - down) / (2 * step);
  }
  return g;
}

GradientCheck check_gradients(const Function& f, const std::vector<Tensor>& inputs,
                              const GradientCheckOptions& options) {
  for (std::size_t i = 0; i < inputs.size(); ++i)
    require(inputs[i] && inputs[i].dtype() == DType::f64 && inputs[i].view().is_contiguous() &&
                inputs[i].device().host_memory(),
            fmt::format("input {} must be a contiguous f64 tensor in host memory", i));
  std::vector<std::size_t> which = options.inputs;
  if (which.empty()) {
    which.resize(inputs.size());
    std::iota(which.begin(), which.end(), std::size_t{0});
  }
  const auto gradients = by_backward(f, inputs);
  GradientCheck check;
  for (const std::size_t i : which) {
    require(i < inputs.size(), fmt::format("there is no input {}", i));
    const auto value = [&] { return f(inputs).item(); };
    check.inputs.push_back(
        compare(i, gradients[i], central_differences(value, inputs[i], options.step)));
    const GradientError& last = check.inputs.back();
    if (check.inputs.size() == 1 || !(last.error <= check.worst.error)) check.worst = last;
  }
  return check;
}

}  // namespace gigatrain
