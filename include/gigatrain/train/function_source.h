// Batches that a function makes: synthetic data, augmentation, a reader of one's own.
//
//   gt::FunctionSource data([](std::int64_t step, std::int64_t first, std::int64_t count,
//                              gt::FieldPointers out) { ... },
//                           {.name = "circles 1", .fields = {{"x", gt::DType::f32, {2}}},
//                            .global_batch = 64});
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "gigatrain/train/batch_source.h"

namespace gigatrain {

// As BatchSource::fill, of which it must keep the promise: equal arguments, equal bytes. It is
// called from one thread of a rank at a time.
using FillFunction = std::function<void(std::int64_t step, std::int64_t first_sample,
                                        std::int64_t count, FieldPointers out)>;

struct FunctionSourceOptions {
  std::string name;  // what the function makes, for the digest: change it when the data change
  std::vector<nn::FieldSpec> fields;
  std::int64_t global_batch = 1;
  std::string terms{};            // as in ArraySourceOptions
  std::int64_t eval_samples = 0;  // samples of step 0 that evaluation sees; 0: none
};

class FunctionSource : public BatchSource {
 public:
  FunctionSource(FillFunction function, FunctionSourceOptions options);

  const std::vector<nn::FieldSpec>& fields() const override { return options_.fields; }
  std::int64_t global_batch() const override { return options_.global_batch; }
  // Throws Error(data) if the function made NaN or Inf; what it throws itself passes through.
  void fill(std::int64_t step, std::int64_t first_sample, std::int64_t count,
            FieldPointers out) const override;
  std::int64_t loss_terms(std::int64_t count, FieldPointers filled) const override;
  std::uint64_t digest() const override { return digest_; }
  std::int64_t eval_samples() const override { return options_.eval_samples; }
  void fill_eval(std::int64_t first_sample, std::int64_t count, FieldPointers out) const override;

 private:
  void call(std::int64_t step, std::int64_t first, std::int64_t count, FieldPointers out) const;
  FillFunction function_;
  FunctionSourceOptions options_;
  std::uint64_t digest_ = 0;
};

}  // namespace gigatrain
