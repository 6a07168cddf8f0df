#include <algorithm>

#include "gigatrain/base/error.h"
#include "train/model_kind.h"

namespace gigatrain {

extern const ModelKind kGptKind, kLlamaKind;

const std::vector<const ModelKind*>& model_kinds() {
  static const std::vector<const ModelKind*> all = {&kGptKind, &kLlamaKind};
  return all;
}

const ModelKind& find_model_kind(const std::string& name) {
  for (const auto* kind : model_kinds())
    if (kind->name == name) return *kind;
  throw Error(ErrorCode::invalid_argument, "unknown model.kind '" + name + "'");
}

std::vector<std::string_view> model_kind_names() {
  std::vector<std::string_view> names;
  for (const auto* kind : model_kinds()) names.push_back(kind->name);
  return names;
}

}  // namespace gigatrain
