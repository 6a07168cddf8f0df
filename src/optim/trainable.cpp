#include <fmt/format.h>

#include "gigatrain/base/error.h"
#include "gigatrain/optim/optimizer.h"

namespace gigatrain::optim {

NamedState weight_state(const Parameter& parameter) {
  return {parameter.name(), parameter.own_value(), parameter.shape(), parameter.shared(),
          parameter.own_begin()};
}

void require_trainable(const Parameter& parameter) {
  if (parameter.requires_grad()) return;
  throw Error(
      ErrorCode::invalid_argument,
      fmt::format("parameter '{}' is frozen: it does not require gradients, so an optimizer cannot "
                  "update it",
                  parameter.name()),
      "give the optimizer nn::trainable_parameters(model)");
}

}  // namespace gigatrain::optim
