#include "gigatrain/train/function_source.h"

#include <fmt/format.h>

#include "gigatrain/base/error.h"
#include "gigatrain/base/hash.h"
#include "train/field_values.h"

namespace gigatrain {

FunctionSource::FunctionSource(FillFunction function, FunctionSourceOptions options)
    : function_(std::move(function)), options_(std::move(options)) {
  check_source(options_.fields, options_.global_batch, options_.terms);
  if (!function_ || options_.name.empty())
    throw Error(ErrorCode::invalid_argument,
                "a FunctionSource needs a function and a name that stands for its data");
  if (options_.eval_samples < 0 || options_.eval_samples > options_.global_batch)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("eval_samples are samples of step 0, of which there are {}, got {}",
                            options_.global_batch, options_.eval_samples));
  std::string all = options_.name + "\n";
  for (const auto& f : options_.fields)
    all += fmt::format("{} {} {}\n", f.name, name(f.dtype), f.shape.str());
  digest_ = hash64(all);
}

void FunctionSource::call(std::int64_t step, std::int64_t first, std::int64_t count,
                          FieldPointers out) const {
  function_(step, first, count, out);
  for (std::size_t f = 0; f < options_.fields.size(); ++f)
    check_finite(options_.fields[f], out[f], count, first);
}

void FunctionSource::fill(std::int64_t step, std::int64_t first_sample, std::int64_t count,
                          FieldPointers out) const {
  check_request(step, first_sample, count);
  call(step, first_sample, count, out);
}

std::int64_t FunctionSource::loss_terms(std::int64_t count, FieldPointers filled) const {
  return count_terms(options_.fields, options_.terms, count, filled);
}

void FunctionSource::fill_eval(std::int64_t first_sample, std::int64_t count,
                               FieldPointers out) const {
  check_request(0, first_sample, count);
  call(0, first_sample, count, out);
}

}  // namespace gigatrain
