#include "ops/checks.h"

#include <fmt/format.h>

#include "gigatrain/base/error.h"

namespace gigatrain::ops {

namespace {
std::string quoted(std::string_view op, const std::string& text) {
  return fmt::format("[{}] {}", op, text);
}
}  // namespace

void require(bool ok, std::string_view op, const std::string& rule_and_facts) {
  if (!ok) throw Error(ErrorCode::invalid_argument, quoted(op, rule_and_facts));
}

void require_floating(std::string_view op, std::string_view what, const Tensor& x) {
  if (!x)
    throw Error(ErrorCode::invalid_argument, quoted(op, fmt::format("{} is undefined", what)));
  if (!is_floating(x.dtype()))
    throw Error(
        ErrorCode::invalid_argument,
        quoted(op, fmt::format("{} must be f32, bf16, f16 or f64, got {}", what, name(x.dtype()))));
}

void require_activation(std::string_view op, std::string_view what, const Tensor& x) {
  require_floating(op, what, x);
  if (x.dtype() == DType::f64)
    throw Error(ErrorCode::unsupported,
                quoted(op, fmt::format("{} must be f32, bf16 or f16, got f64", what)),
                "use the composed definition (ops/composed.h), which has f64");
}

void require_same_dtype(std::string_view op, const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype())
    throw Error(
        ErrorCode::invalid_argument,
        quoted(op, fmt::format("both inputs must have one dtype, got {} {} and {} {}",
                               name(a.dtype()), a.shape().str(), name(b.dtype()), b.shape().str())),
        "cast one of them");
}

void require_weight(std::string_view op, DType activations, const Tensor& weight) {
  const bool rounds = weight.device().is_cpu() && activations == DType::bf16;
  if (weight.dtype() == activations || (rounds && weight.dtype() == DType::f32)) return;
  throw Error(
      ErrorCode::invalid_argument,
      quoted(op, fmt::format("a weight has the dtype of the activations (on a CPU it may be "
                             "f32 beside bf16), got {} {} beside {}",
                             name(weight.dtype()), weight.shape().str(), name(activations))),
      "cast one of them");
}

void require_shape(std::string_view op, std::string_view what, const Tensor& x,
                   const Shape& expected) {
  if (!x)
    throw Error(ErrorCode::invalid_argument, quoted(op, fmt::format("{} is undefined", what)));
  if (!(x.shape() == expected))
    throw Error(ErrorCode::invalid_argument,
                quoted(op, fmt::format("{} must have shape {}, got {}", what, expected.str(),
                                       x.shape().str())));
}

void require_dtype(std::string_view op, std::string_view what, const Tensor& x, DType expected) {
  if (!x)
    throw Error(ErrorCode::invalid_argument, quoted(op, fmt::format("{} is undefined", what)));
  if (x.dtype() != expected)
    throw Error(
        ErrorCode::invalid_argument,
        quoted(op, fmt::format("{} must be {}, got {}", what, name(expected), name(x.dtype()))));
}

int normalize_dim(std::string_view op, int dim, int dims) {
  if (dim < -dims || dim >= dims)
    throw Error(ErrorCode::invalid_argument,
                quoted(op, fmt::format("dim must be in [-{0}, {0}), got {1}", dims, dim)));
  return dim < 0 ? dim + dims : dim;
}

}  // namespace gigatrain::ops
