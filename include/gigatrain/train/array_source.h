// Batches from arrays in host memory: images, tables, pairs. Sample s of step t is number
// n = t * global_batch + s of the run; epoch e = n / N takes every one of the N samples once, in an
// order of its own that depends on (digest, seed, e) only.
//
//   gt::ArraySource data({gt::array<float>("x", {1797, 64}, pixels),
//                         gt::array<std::int32_t>("label", {1797}, labels)},
//                        {.global_batch = 64, .seed = 1});
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gigatrain/base/philox.h"
#include "gigatrain/train/batch_source.h"

namespace gigatrain {

// A contiguous array; dim 0 of its shape is the sample.
struct NamedArray {
  std::string name;
  DType dtype = DType::f32;
  Shape shape{};
  const void* data = nullptr;
  std::shared_ptr<const void> owner{};  // keeps data alive; none: the caller does
};

// An array that takes the values over; throws Error(invalid_argument) unless they fill the shape.
template <class T>
NamedArray array(std::string name, const Shape& shape, std::vector<T> values);

struct ArraySourceOptions {
  std::int64_t global_batch = 1;
  std::uint64_t seed = 0;
  // The i32 field whose values that are not negative are the terms of the loss (one label a
  // position, -1 for none). "": one term a sample.
  std::string terms{};
};

class ArraySource : public BatchSource {
 public:
  // Throws Error(data) on NaN or Inf, Error(invalid_argument) on arrays that do not fit together.
  ArraySource(std::vector<NamedArray> arrays, const ArraySourceOptions& options);

  const std::vector<nn::FieldSpec>& fields() const override { return fields_; }
  std::int64_t global_batch() const override { return options_.global_batch; }
  void fill(std::int64_t step, std::int64_t first_sample, std::int64_t count,
            FieldPointers out) const override;
  std::int64_t loss_terms(std::int64_t count, FieldPointers filled) const override;
  std::uint64_t digest() const override { return digest_; }
  std::int64_t eval_samples() const override { return samples_; }
  void fill_eval(std::int64_t first_sample, std::int64_t count, FieldPointers out) const override;

  // Which row of the arrays is sample n of the run.
  std::int64_t row(std::int64_t n) const;

 private:
  void copy_row(std::int64_t row, std::int64_t to, FieldPointers out) const;
  std::vector<NamedArray> arrays_;
  ArraySourceOptions options_;
  std::vector<nn::FieldSpec> fields_;
  std::int64_t samples_ = 0;
  std::uint64_t digest_ = 0;
  PhiloxKey key_;
};

}  // namespace gigatrain
