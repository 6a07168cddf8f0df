// Compares two JSON files of `gigatrain bench kernels` or `gigatrain bench step`: what became
// faster, what slower.
#pragma once

#include <string>
#include <vector>

namespace gigatrain {

struct BenchChange {
  std::string name;  // "gelu_forward, 1024 x 3072, f32"; "gemm"; "step"
  double before_ms = 0, after_ms = 0;
  bool small = false;  // less than a hundredth of both steps: noise says nothing

  double ratio() const { return after_ms / before_ms; }
};

struct BenchComparison {
  std::string bench;  // "kernels" or "step"
  std::string before_device, after_device;
  // Kernels: the largest ratio, up or down, first. A step: the step itself, then the kernels, and
  // the time outside kernels, whose milliseconds changed most.
  std::vector<BenchChange> changes{};
  std::vector<std::string> only_before{}, only_after{};

  // Those whose ratio passes 1 + tolerance, small ones aside, in the same order.
  std::vector<BenchChange> slower(double tolerance) const;
};

// Throws Error(data) unless both are such files, and of the same kind, model, batch and dtype.
BenchComparison compare_benches(const std::string& before, const std::string& after);

}  // namespace gigatrain
