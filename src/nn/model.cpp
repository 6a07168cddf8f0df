#include "gigatrain/nn/model.h"

#include <fmt/format.h>

#include "gigatrain/base/error.h"
#include "gigatrain/nn/models/language_model.h"

namespace gigatrain::nn {

const FieldSpec& find_field(std::span<const FieldSpec> fields, std::string_view name) {
  std::string known;
  for (const auto& field : fields) {
    if (field.name == name) return field;
    known += (known.empty() ? "" : ", ") + field.name;
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("the model needs a field '{}'; the data have: {}", name,
                          known.empty() ? "none" : known));
}

Tensor Model::predict(const Batch&, BatchContext&) {
  throw Error(ErrorCode::unsupported, "this model has no predict()",
              "override Model::predict to return what a metric should see");
}

void Model::check_fields(std::span<const FieldSpec> fields) const {
  for (const auto& range : id_ranges()) {
    const FieldSpec& field = find_field(fields, range.field);
    if (field.dtype != DType::i32)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("field '{}' must be i32, got {}", field.name, name(field.dtype)));
  }
}

Tensor LanguageModel::loss(const Batch& batch, double scale, BatchContext& context) {
  return loss(batch.at("tokens"), batch.at("targets"), scale, context);
}

Tensor LanguageModel::predict(const Batch& batch, BatchContext& context) {
  return (*this)(batch.at("tokens"), context);
}

std::vector<IdRange> LanguageModel::id_ranges() const {
  return {{"tokens", 0, vocab_size()}, {"targets", -1, vocab_size()}};
}

void LanguageModel::check_fields(std::span<const FieldSpec> fields) const {
  Model::check_fields(fields);
  const Shape &tokens = find_field(fields, "tokens").shape,
              &targets = find_field(fields, "targets").shape;
  if (tokens.dims() != 1 || !(tokens == targets))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("tokens and targets must be (T) each, got {} and {}", tokens.str(),
                            targets.str()));
  if (tokens[0] > max_positions())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("train.seq_len must not pass the model's {} positions, got {}",
                            max_positions(), tokens[0]));
}

}  // namespace gigatrain::nn
