#include "gigatrain/train/state_digest.h"

#include <fmt/format.h>

#include "gigatrain/base/hash.h"
#include "kernels/reduce.h"

namespace gigatrain {

std::uint64_t digest(const Tensor& tensor) {
  std::uint64_t value = 0;
  tensor.stream().submit(kernels::Digest{.x = tensor.view(), .digest = &value});
  return value;
}

std::string StateDigest::hex() const {
  return fmt::format("{:016x}", value);
}

StateDigest state_digest(const std::vector<Parameter*>& parameters, optim::Optimizer* optimizer) {
  StateDigest state;
  const auto add = [&](const std::string& name, const Tensor& tensor) {
    const std::uint64_t d = digest(tensor);
    state.tensors[name] = d;
    state.value = digest_add(state.value, digest_named(name, d));
  };
  for (const auto* p : parameters) add(p->name(), p->value());
  if (optimizer)
    for (const auto& s : optimizer->state()) add(s.name, s.tensor);
  return state;
}

}  // namespace gigatrain
