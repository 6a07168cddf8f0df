#include "gigatrain/nn/batch.h"

#include <fmt/format.h>

#include "gigatrain/base/error.h"
#include "gigatrain/ops/ops.h"

namespace gigatrain::nn {

Shape FieldSpec::batched(std::int64_t samples) const {
  Shape all{samples};
  for (int i = 0; i < shape.dims(); ++i) all.push_back(shape[i]);
  return all;
}

Batch::Batch(std::initializer_list<Field> fields) {
  for (const auto& [name, tensor] : fields) add(name, tensor);
}

void Batch::add(const std::string& name, const Tensor& tensor) {
  const auto require = [&](bool ok, const std::string& what) {
    if (!ok)
      throw Error(ErrorCode::invalid_argument, fmt::format("batch field '{}' {}", name, what));
  };
  require(tensor && tensor.shape().dims() >= 1, "must be a tensor whose dim 0 is the sample");
  require(!has(name), "is there already");
  require(fields_.empty() || tensor.shape()[0] == samples(),
          fmt::format("must have {} samples as '{}' has, got shape {}", samples(),
                      fields_.empty() ? "" : fields_.front().first, tensor.shape().str()));
  fields_.emplace_back(name, tensor);
}

bool Batch::has(std::string_view name) const {
  for (const auto& field : fields_)
    if (field.first == name) return true;
  return false;
}

const Tensor& Batch::at(std::string_view name) const {
  std::string known;
  for (const auto& field : fields_) {
    if (field.first == name) return field.second;
    known += (known.empty() ? "" : ", ") + field.first;
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("the batch has no field '{}'; its fields: {}", name,
                          known.empty() ? "none" : known));
}

Batch Batch::slice(std::int64_t begin, std::int64_t end) const {
  Batch part;
  for (const auto& [name, tensor] : fields_)
    part.fields_.emplace_back(name, ops::slice(tensor, 0, begin, end));
  return part;
}

}  // namespace gigatrain::nn
