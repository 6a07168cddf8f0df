// Checks of a source's fields and of the values that come in, shared by the sources.
#pragma once

#include <span>
#include <string>

#include "gigatrain/train/batch_source.h"

namespace gigatrain {

// Throws Error(invalid_argument): no fields, two of one name, a batch below 1, `terms` that is no
// i32 field.
void check_source(std::span<const nn::FieldSpec> fields, std::int64_t global_batch,
                  const std::string& terms);
// Throws Error(data) that names the first NaN or Inf. `first_sample`: what to call sample 0.
void check_finite(const nn::FieldSpec& field, const void* data, std::int64_t samples,
                  std::int64_t first_sample);
// Values of the field `terms` that are not negative; "": the number of samples.
std::int64_t count_terms(std::span<const nn::FieldSpec> fields, const std::string& terms,
                         std::int64_t samples, FieldPointers filled);

}  // namespace gigatrain
