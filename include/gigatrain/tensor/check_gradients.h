// Compares the backward of a function with central differences: the test of a gradient that one
// wrote by hand.
//
//   const auto x = gt::Tensor::from<double>(device, {4, 8}, values);
//   const auto check = gt::check_gradients([](const auto& in) { return gt::ops::sum(f(in[0])); },
//                                          {x});
//   if (check.worst.error > 1e-6) ...
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gigatrain/tensor/tensor.h"

namespace gigatrain {

struct GradientCheckOptions {
  double step = 1e-5;                 // each element is moved up and down by this
  std::vector<std::size_t> inputs{};  // only these; none: all
};

struct GradientError {
  std::size_t input = 0;  // of the inputs given
  // ||got - want|| / ||want|| of the whole input's gradient; a norm below 1e-4 counts as 1e-4,
  // since the differences of a function of size 1 are noise there.
  double error = 0;
  std::int64_t index = 0;    // element that differs most, in row-major order
  double got = 0, want = 0;  // there: by backward, by central differences
  std::string str() const;
};

struct GradientCheck {
  std::vector<GradientError> inputs;  // one each
  GradientError worst;
};

// f: from f64 tensors to a scalar f64 tensor, deterministic. The inputs are contiguous f64 tensors
// on a device whose memory the host can read; their values are moved and put back. Throws
// Error(invalid_argument) for other inputs, or if f does not depend on one.
GradientCheck check_gradients(const std::function<Tensor(const std::vector<Tensor>&)>& f,
                              const std::vector<Tensor>& inputs,
                              const GradientCheckOptions& options = {});

// (f(x + step) - f(x - step)) / (2 step) for each element of x, which f reads; x as above.
std::vector<double> central_differences(const std::function<double()>& f, const Tensor& x,
                                        double step = 1e-5);

}  // namespace gigatrain
