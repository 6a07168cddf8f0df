#include "train/gathered_state.h"

#include <cstddef>
#include <cstring>
#include <utility>

namespace gigatrain {

namespace {

// Which elements of each tensor each rank has.
struct Parts {
  std::size_t tensors;
  std::vector<std::int64_t> all;  // begin and count, by rank, then by tensor

  Parts(const std::vector<optim::NamedState>& state, Communicator& ranks)
      : tensors(state.size()), all(2 * tensors * static_cast<std::size_t>(ranks.size())) {
    std::vector<std::int64_t> own;
    for (const auto& s : state) own.insert(own.end(), {s.begin, s.tensor.numel()});
    const auto view = [](std::vector<std::int64_t>& x) {
      return TensorView(x.data(), DType::i64, {static_cast<std::int64_t>(x.size())});
    };
    ranks.all_gather(view(own), view(all)).wait();
  }
  std::int64_t begin(int rank, std::size_t tensor) const { return at(rank, tensor)[0]; }
  std::int64_t count(int rank, std::size_t tensor) const { return at(rank, tensor)[1]; }

 private:
  const std::int64_t* at(int rank, std::size_t tensor) const {
    return &all[2 * (static_cast<std::size_t>(rank) * tensors + tensor)];
  }
};

TensorView room_for(const optim::NamedState& s, HostCopies& keep) {
  const auto bytes = s.whole.numel() * size_of(s.tensor.dtype());
  keep.push_back(std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(bytes)));
  return TensorView(keep.back()->data(), s.tensor.dtype(), s.whole);
}

void gather_one(const optim::NamedState& s, std::size_t index, const Parts& parts,
                Communicator& ranks, int root, const TensorView* whole) {
  HostCopies own_copy;
  const TensorView own = host_view(s.tensor, own_copy);
  const TensorView nothing(nullptr, own.dtype, {0});
  std::vector<TensorView> send(static_cast<std::size_t>(ranks.size()), nothing), receive = send;
  send[static_cast<std::size_t>(root)] = TensorView(own.data, own.dtype, {own.numel()});
  if (whole)
    for (int r = 0; r < ranks.size(); ++r)
      receive[static_cast<std::size_t>(r)] =
          TensorView(whole->as<std::byte>() + parts.begin(r, index) * size_of(own.dtype), own.dtype,
                     {parts.count(r, index)});
  ranks.all_to_all(send, receive).wait();
}

}  // namespace

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
  const Parts parts(state, ranks);
  std::vector<NamedView> views;
  for (std::size_t i = 0; i < state.size(); ++i) {
    const bool here = ranks.rank() == root;
    if (here) views.push_back({state[i].name, room_for(state[i], keep)});
    if (state[i].shared) {
      gather_one(state[i], i, parts, ranks, root, here ? &views.back().view : nullptr);
    } else if (here) {
      HostCopies own_copy;
      const TensorView own = host_view(state[i].tensor, own_copy);
      std::memcpy(views.back().view.data, own.data, static_cast<std::size_t>(own.bytes()));
    }
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
