// A call of every kernel at the shapes of GPT-2 124M, for timing and for counting bytes.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "gigatrain/tensor/tensor.h"
#include "kernels/table.h"

namespace gigatrain {

// Makes the tensors of a case. All have values in [0.5, 1.5), which no kernel finds unusual.
class TensorMaker {
 public:
  TensorMaker(Device& device, DType dtype) : device_(device), dtype_(dtype) {}

  Tensor activation(const Shape& shape) { return uniform(shape, dtype_); }
  Tensor f32(const Shape& shape) { return uniform(shape, DType::f32); }
  Tensor ids(const Shape& shape, std::int64_t below);  // i32
  Device& device() { return device_; }
  DType dtype() const { return dtype_; }

 private:
  Tensor uniform(const Shape& shape, DType dtype);
  Device& device_;
  DType dtype_;
  Tensor host_values_;  // f32, made once, as many as the largest tensor wants
};

struct PreparedKernel {
  std::function<void()> submit;  // holds its tensors
  KernelCost cost;
};

struct KernelCase {
  std::string name, shape;
  std::function<PreparedKernel(TensorMaker&)> prepare;
};

// `sequences` of 1,024 tokens.
std::vector<KernelCase> kernel_cases(std::int64_t sequences);

}  // namespace gigatrain
