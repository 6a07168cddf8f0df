#include "gigatrain/train/state_digest.h"

#include <fmt/format.h>

#include "gigatrain/base/hash.h"
#include "kernels/reduce.h"
#include "train/gathered_state.h"
#include "train/together.h"

namespace gigatrain {

namespace {

// The digest of each tensor, or of the part of it that is own; the device is waited for once.
std::vector<std::uint64_t> digests(const std::vector<optim::NamedState>& state) {
  std::vector<std::uint64_t> out(state.size());
  if (state.empty()) return out;
  Device& device = state.front().tensor.device();
  const Tensor values = Tensor::empty(device, {static_cast<std::int64_t>(out.size())}, DType::i64,
                                      {Purpose::workspace, "digests"});
  auto* to = values.view().as<std::uint64_t>();
  for (std::size_t i = 0; i < state.size(); ++i)
    device.stream().submit(
        kernels::Digest{.x = state[i].tensor.view(),
                        .first_index = static_cast<std::uint64_t>(state[i].begin),
                        .digest = to + i});
  device.download(out.data(), to, values.view().bytes());
  return out;
}

// Adds what the ranks have of each shared tensor.
void add_parts(std::vector<std::uint64_t>& values, const std::vector<optim::NamedState>& state,
               Communicator& ranks) {
  const auto all = all_values(ranks, std::vector<std::int64_t>(values.begin(), values.end()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!state[i].shared) continue;
    values[i] = 0;
    for (std::size_t at = i; at < all.size(); at += values.size())
      values[i] = digest_add(values[i], static_cast<std::uint64_t>(all[at]));
  }
}

}  // namespace

std::uint64_t digest(const Tensor& tensor) {
  return digests({{"", tensor, tensor.shape()}}).front();
}

std::string StateDigest::hex() const {
  return fmt::format("{:016x}", value);
}

StateDigest state_digest(const std::vector<Parameter*>& parameters, optim::Optimizer* optimizer,
                         Communicator* ranks) {
  const auto all = training_state(parameters, optimizer);
  std::vector<std::uint64_t> values = digests(all);
  if (ranks) add_parts(values, all, *ranks);
  StateDigest state;
  for (std::size_t i = 0; i < all.size(); ++i) {
    state.tensors[all[i].name] = values[i];
    state.value = digest_add(state.value, digest_named(all[i].name, values[i]));
  }
  return state;
}

}  // namespace gigatrain
