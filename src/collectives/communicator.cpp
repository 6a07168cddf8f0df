#include "gigatrain/collectives/communicator.h"

#include <fmt/format.h>

#include "collectives/checks.h"
#include "gigatrain/base/error.h"

namespace gigatrain {

using namespace collectives;

namespace {

std::vector<std::int64_t> equal_counts(std::int64_t count, int ranks) {
  return std::vector<std::int64_t>(static_cast<std::size_t>(ranks), count);
}

// The elements of each of `ranks` equal parts.
std::int64_t part(const TensorView& view, int ranks, const char* operation, const char* argument) {
  if (view.numel() % ranks != 0)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: {} must divide into {} equal parts, got {} elements", operation,
                            argument, ranks, view.numel()),
                "pad it, or give a count for each rank where the operation takes counts");
  return view.numel() / ranks;
}

std::int64_t bytes_to_others(const std::vector<Transfer::Piece>& pieces, int own) {
  std::int64_t bytes = 0;
  for (std::size_t r = 0; r < pieces.size(); ++r)
    if (static_cast<int>(r) != own) bytes += pieces[r].bytes;
  return bytes;
}

// Of gather and scatter: every rank has a part, the root the whole of them.
Fingerprint checked_parts(Collective operation, const TensorView& part, const TensorView& whole,
                          const Communicator& ranks, int root) {
  const bool gathers = operation == Collective::gather;
  const char* what = gigatrain::name(operation);
  require_contiguous(part, what, gathers ? "send" : "receive");
  if (ranks.rank() == root) {
    require_same_dtype(gathers ? part : whole, gathers ? whole : part, what);
    require_parts(part, whole, ranks.size(), root, what, gathers ? "receive" : "send");
  }
  return {.operation = operation,
          .dtype = part.dtype,
          .count = part.numel() * ranks.size(),
          .root = root};
}

}  // namespace

Transfer Communicator::start(Fingerprint what, At at) {
  Transfer t;
  t.record.what = what;
  t.record.what.group = group_.id;
  if (!is_message(what.operation)) t.record.what.sequence = ++sequence_;
  t.record.group = group_.name;
  t.record.label = log_->label();
  t.record.called_at = at;
  t.send.resize(group_.members.size());
  t.receive.resize(group_.members.size());
  t.device = group_.device;
  return t;
}

Work Communicator::go(Transfer transfer) {
  transfer.record.bytes_out = bytes_to_others(transfer.send, rank());
  transfer.record.bytes_in = bytes_to_others(transfer.receive, rank());
  return Work(submit(std::move(transfer)));
}

void Communicator::require_rank(int rank, const char* role) const {
  if (rank < 0 || rank >= size())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} must be a rank of group '{}', 0 to {}, got {}", role, name(),
                            size() - 1, rank));
}

Work Communicator::all_to_all(const TensorView& send, const TensorView& receive, At at) {
  constexpr const char* kName = "all_to_all";
  require_contiguous(send, kName, "send");
  require_contiguous(receive, kName, "receive");
  require_same_dtype(send, receive, kName);
  require_elements(receive, send.numel(), kName, "receive");
  require_apart(send, receive, nullptr, kName);
  const auto counts = equal_counts(part(send, size(), kName, "send"), size());
  Transfer t = start(
      {.operation = Collective::all_to_all, .dtype = send.dtype, .count = send.numel() * size()},
      at);
  t.send = cut(send, counts);
  t.receive = cut(receive, counts);
  return go(std::move(t));
}

Work Communicator::all_to_all(Views send, Views receive, At at) {
  require_views(send, receive, size());
  const auto own = static_cast<std::size_t>(rank());
  require_elements(receive[own], send[own].numel(), "all_to_all", "what a rank has of itself");
  Transfer t =
      start({.operation = Collective::all_to_all, .dtype = send[0].dtype, .count = kAnyCount}, at);
  t.send = pieces(send);
  t.receive = pieces(receive);
  return go(std::move(t));
}

Work Communicator::all_gather(const TensorView& send, const TensorView& receive, At at) {
  require_elements(receive, send.numel() * size(), "all_gather", "receive");
  return all_gather(send, receive, equal_counts(send.numel(), size()), at);
}

Work Communicator::all_gather(const TensorView& send, const TensorView& receive, Counts counts,
                              At at) {
  constexpr const char* kName = "all_gather";
  require_contiguous(send, kName, "send");
  require_contiguous(receive, kName, "receive");
  require_same_dtype(send, receive, kName);
  require_elements(receive, require_counts(counts, size(), kName, "counts"), kName, "receive");
  require_elements(send, counts[static_cast<std::size_t>(rank())], kName, "send");
  auto parts = cut(receive, counts);
  require_apart(send, receive, parts[static_cast<std::size_t>(rank())].data, kName);
  Transfer t = start(
      {.operation = Collective::all_gather, .dtype = send.dtype, .count = receive.numel()}, at);
  t.send = repeat(send, size());
  t.receive = std::move(parts);
  return go(std::move(t));
}

Work Communicator::broadcast(const TensorView& buffer, int root, At at) {
  require_rank(root, "broadcast: root");
  require_contiguous(buffer, "broadcast", "buffer");
  Transfer t = start({.operation = Collective::broadcast,
                      .dtype = buffer.dtype,
                      .count = buffer.numel(),
                      .root = root},
                     at);
  if (rank() != root) {
    t.receive = only(buffer, size(), root);
  } else {
    t.send = repeat(buffer, size());
    t.send[static_cast<std::size_t>(root)] = {};
  }
  return go(std::move(t));
}

Work Communicator::gather(const TensorView& send, const TensorView& receive, int root, At at) {
  require_rank(root, "gather: root");
  Transfer t = start(checked_parts(Collective::gather, send, receive, *this, root), at);
  t.send = only(send, size(), root);
  if (rank() == root) t.receive = cut(receive, equal_counts(send.numel(), size()));
  return go(std::move(t));
}

Work Communicator::scatter(const TensorView& send, const TensorView& receive, int root, At at) {
  require_rank(root, "scatter: root");
  Transfer t = start(checked_parts(Collective::scatter, receive, send, *this, root), at);
  if (rank() == root) t.send = cut(send, equal_counts(receive.numel(), size()));
  t.receive = only(receive, size(), root);
  return go(std::move(t));
}

Transfer Communicator::start_message(Collective operation, const TensorView& buffer, int peer,
                                     At at) {
  require_rank(peer, operation == Collective::send ? "send: to" : "recv: from");
  if (peer == rank())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: rank {} is this rank", gigatrain::name(operation), peer),
                "copy the data, or name another rank");
  require_contiguous(buffer, gigatrain::name(operation), "buffer");
  auto& numbers = operation == Collective::send ? sent_ : received_;
  numbers.resize(static_cast<std::size_t>(size()));
  Transfer t = start({.sequence = ++numbers[static_cast<std::size_t>(peer)],
                      .operation = operation,
                      .dtype = buffer.dtype,
                      .count = buffer.numel(),
                      .root = peer},
                     at);
  return t;
}

Work Communicator::send(const TensorView& buffer, int to, At at) {
  Transfer t = start_message(Collective::send, buffer, to, at);
  t.send = only(buffer, size(), to);
  return go(std::move(t));
}

Work Communicator::recv(const TensorView& buffer, int from, At at) {
  Transfer t = start_message(Collective::recv, buffer, from, at);
  t.receive = only(buffer, size(), from);
  return go(std::move(t));
}

Work Communicator::barrier(At at) {
  Transfer t = start({.operation = Collective::barrier}, at);
  t.device = nullptr;  // it moves nothing
  return go(std::move(t));
}

}  // namespace gigatrain
