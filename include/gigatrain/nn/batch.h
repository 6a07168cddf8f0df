// A batch: tensors with names, whose dim 0 is the sample.
//
//   nn::Batch batch{{"x", images}, {"label", labels}};  // (B, 1, 8, 8) f32 and (B) i32
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gigatrain/tensor/tensor.h"

namespace gigatrain::nn {

// One tensor of a batch, as a source declares it: what every sample looks like.
struct FieldSpec {
  std::string name;
  DType dtype = DType::f32;
  Shape shape{};  // of one sample; () for a number

  std::int64_t bytes() const { return shape.numel() * size_of(dtype); }  // of one sample
  Shape batched(std::int64_t samples) const;                             // (samples, shape...)
};

class Batch {
 public:
  using Field = std::pair<std::string, Tensor>;
  Batch() = default;
  Batch(std::initializer_list<Field> fields);

  // Throws Error(invalid_argument) for a tensor without dims, with another number of samples, or a
  // name that is taken.
  void add(const std::string& name, const Tensor& tensor);
  // Throws Error(invalid_argument) that lists the names there are.
  const Tensor& at(std::string_view name) const;
  bool has(std::string_view name) const;
  const std::vector<Field>& fields() const { return fields_; }
  std::int64_t samples() const { return fields_.empty() ? 0 : fields_.front().second.shape()[0]; }
  Batch slice(std::int64_t begin, std::int64_t end) const;  // samples [begin, end), as views

 private:
  std::vector<Field> fields_;
};

}  // namespace gigatrain::nn
