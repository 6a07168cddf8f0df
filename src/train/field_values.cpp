#include "train/field_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "gigatrain/base/error.h"

namespace gigatrain {

namespace {

template <class T>
void require_finite(const nn::FieldSpec& field, const void* data, std::int64_t samples,
                    std::int64_t first_sample) {
  const auto* values = static_cast<const T*>(data);
  const std::int64_t each = field.shape.numel();
  for (std::int64_t i = 0; i < samples * each; ++i) {
    double value;
    if constexpr (std::is_same_v<T, double>)
      value = values[i];
    else
      value = static_cast<double>(static_cast<float>(values[i]));
    if (!std::isfinite(value))
      throw Error(ErrorCode::data,
                  fmt::format("values of '{}' must be finite, got {} in sample {}, element {}",
                              field.name, value, first_sample + i / each, i % each),
                  "remove or replace such values before training");
  }
}

}  // namespace

void check_source(std::span<const nn::FieldSpec> fields, std::int64_t global_batch,
                  const std::string& terms) {
  const auto require = [](bool ok, const std::string& text) {
    if (!ok) throw Error(ErrorCode::invalid_argument, text);
  };
  require(!fields.empty(), "a source of batches needs at least one field");
  require(global_batch >= 1 && global_batch <= std::int64_t{1} << 31,
          fmt::format("global_batch must be from 1 to 2^31, got {}", global_batch));
  for (std::size_t i = 0; i < fields.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      require(fields[i].name != fields[j].name,
              fmt::format("two fields have the name '{}'", fields[i].name));
  if (!terms.empty()) {
    const DType dtype = nn::find_field(fields, terms).dtype;
    require(dtype == DType::i32, fmt::format("the field '{}' that counts loss terms must be i32, "
                                             "got {}",
                                             terms, name(dtype)));
  }
}

void check_finite(const nn::FieldSpec& field, const void* data, std::int64_t samples,
                  std::int64_t first_sample) {
  switch (field.dtype) {
    case DType::f32:
      return require_finite<float>(field, data, samples, first_sample);
    case DType::f64:
      return require_finite<double>(field, data, samples, first_sample);
    case DType::bf16:
      return require_finite<bf16>(field, data, samples, first_sample);
    case DType::f16:
      return require_finite<f16>(field, data, samples, first_sample);
    case DType::i32:
    case DType::i64:
    case DType::u8:
      return;
  }
}

std::int64_t count_terms(std::span<const nn::FieldSpec> fields, const std::string& terms,
                         std::int64_t samples, FieldPointers filled) {
  if (terms.empty()) return samples;
  const nn::FieldSpec& field = nn::find_field(fields, terms);
  const auto at = static_cast<std::size_t>(&field - fields.data());
  const auto* ids = static_cast<const std::int32_t*>(filled[at]);
  return std::count_if(ids, ids + samples * field.shape.numel(), [](auto id) { return id >= 0; });
}

}  // namespace gigatrain
