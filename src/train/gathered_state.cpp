#include "train/gathered_state.h"

#include <cstddef>
#include <cstring>
#include <utility>

#include "train/together.h"

namespace gigatrain {

namespace {

std::vector<std::int64_t> own_parts(const std::vector<optim::NamedState>& state) {
  std::vector<std::int64_t> own;
  for (const auto& s : state) own.insert(own.end(), {s.begin, s.tensor.numel()});
  return own;
}

TensorView room_for(const optim::NamedState& s, HostCopies& keep) {
  const auto bytes = s.whole.numel() * size_of(s.tensor.dtype());
  keep.push_back(std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(bytes)));
  return TensorView(keep.back()->data(), s.tensor.dtype(), s.whole);
}

}  // namespace

StateGatherer::StateGatherer(const std::vector<optim::NamedState>& state, Communicator& ranks)
    : state_(state), ranks_(ranks), parts_(all_values(ranks, own_parts(state))) {}

void StateGatherer::gather(std::size_t tensor, int root, const TensorView& whole) const {
  const optim::NamedState& s = state_[tensor];
  const bool here = ranks_.rank() == root;
  if (!s.shared && !here) return;
  HostCopies own_copy;
  const TensorView own = host_view(s.tensor, own_copy);
  if (!s.shared) {
    if (own.bytes() > 0) std::memcpy(whole.data, own.data, static_cast<std::size_t>(own.bytes()));
    return;
  }
  const TensorView nothing(nullptr, own.dtype, {0});
  std::vector<TensorView> send(static_cast<std::size_t>(ranks_.size()), nothing), receive = send;
  send[static_cast<std::size_t>(root)] = TensorView(own.data, own.dtype, {own.numel()});
  if (here)
    for (int r = 0; r < ranks_.size(); ++r)
      receive[static_cast<std::size_t>(r)] =
          TensorView(whole.as<std::byte>() + begin(r, tensor) * size_of(own.dtype), own.dtype,
                     {count(r, tensor)});
  ranks_.all_to_all(send, receive).wait();
}

std::vector<optim::NamedState> training_state(const std::vector<Parameter*>& parameters,
                                              optim::Optimizer* optimizer) {
  std::vector<optim::NamedState> all;
  for (const auto* p : parameters) all.push_back(optim::weight_state(*p));
  if (optimizer)
    for (auto& s : optimizer->state()) all.push_back(std::move(s));
  return all;
}

std::vector<NamedView> gather_state(const std::vector<optim::NamedState>& state,
                                    Communicator& ranks, int root, HostCopies& keep) {
  const StateGatherer gatherer(state, ranks);
  std::vector<NamedView> views;
  for (std::size_t i = 0; i < state.size(); ++i) {
    if (ranks.rank() == root) views.push_back({state[i].name, room_for(state[i], keep)});
    gatherer.gather(i, root, ranks.rank() == root ? views.back().view : TensorView());
  }
  return views;
}

void load_own(const StoredTensor& whole, const optim::NamedState& to) {
  if (!to.shared) return load_tensor(whole, to.tensor);
  StoredTensor part = whole;
  part.shape = to.tensor.shape();
  part.data += to.begin * whole.item_size();
  part.offset += to.begin * whole.item_size();
  part.bytes = part.shape.numel() * whole.item_size();
  load_tensor(part, to.tensor);
}

}  // namespace gigatrain
