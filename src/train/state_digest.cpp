#include "gigatrain/train/state_digest.h"

#include <fmt/format.h>

#include "gigatrain/base/hash.h"
#include "kernels/reduce.h"

namespace gigatrain {

namespace {

// The digest of each tensor; the device is waited for once.
std::vector<std::uint64_t> digests(const std::vector<Tensor>& tensors) {
  std::vector<std::uint64_t> out(tensors.size());
  if (tensors.empty()) return out;
  Device& device = tensors.front().device();
  const Tensor values = Tensor::empty(device, {static_cast<std::int64_t>(out.size())}, DType::i64,
                                      {Purpose::workspace, "digests"});
  auto* to = values.view().as<std::uint64_t>();
  for (std::size_t i = 0; i < tensors.size(); ++i)
    device.stream().submit(kernels::Digest{.x = tensors[i].view(), .digest = to + i});
  device.download(out.data(), to, values.view().bytes());
  return out;
}

}  // namespace

std::uint64_t digest(const Tensor& tensor) {
  return digests({tensor}).front();
}

std::string StateDigest::hex() const {
  return fmt::format("{:016x}", value);
}

StateDigest state_digest(const std::vector<Parameter*>& parameters, optim::Optimizer* optimizer) {
  std::vector<std::string> names;
  std::vector<Tensor> tensors;
  const auto add = [&](const std::string& name, const Tensor& tensor) {
    names.push_back(name);
    tensors.push_back(tensor);
  };
  for (const auto* p : parameters) add(p->name(), p->value());
  if (optimizer)
    for (const auto& s : optimizer->state()) add(s.name, s.tensor);
  const std::vector<std::uint64_t> values = digests(tensors);
  StateDigest state;
  for (std::size_t i = 0; i < names.size(); ++i) {
    state.tensors[names[i]] = values[i];
    state.value = digest_add(state.value, digest_named(names[i], values[i]));
  }
  return state;
}

}  // namespace gigatrain
