#include "collectives/checks.h"

#include <fmt/format.h>

#include "gigatrain/base/error.h"

namespace gigatrain::collectives {

namespace {

[[noreturn]] void refuse(std::string message, std::string next = {}) {
  throw Error(ErrorCode::invalid_argument, std::move(message), std::move(next));
}

}  // namespace

void require_contiguous(const TensorView& view, const char* operation, const char* argument) {
  if (!view.is_contiguous())
    refuse(fmt::format("{}: {} must be contiguous, got shape {} with gaps", operation, argument,
                       view.shape.str()),
           "copy it into a contiguous tensor first");
  if (!view.data && view.numel() > 0)
    refuse(fmt::format("{}: {} has shape {} but no memory", operation, argument, view.shape.str()));
}

void require_same_dtype(const TensorView& send, const TensorView& receive, const char* operation) {
  if (send.dtype != receive.dtype)
    refuse(fmt::format("{}: send and receive must have one dtype, got {} and {}", operation,
                       name(send.dtype), name(receive.dtype)),
           "a communicator does not convert: cast before");
}

void require_elements(const TensorView& view, std::int64_t elements, const char* operation,
                      const char* argument) {
  if (view.numel() != elements)
    refuse(fmt::format("{}: {} must have {} elements, got {} {}", operation, argument, elements,
                       view.numel(), view.shape.str()));
}

std::int64_t require_counts(std::span<const std::int64_t> counts, int ranks, const char* operation,
                            const char* argument) {
  if (static_cast<int>(counts.size()) != ranks)
    refuse(fmt::format("{}: {} needs one count for each of {} ranks, got {}", operation, argument,
                       ranks, counts.size()));
  std::int64_t total = 0;
  for (const std::int64_t count : counts) {
    if (count < 0) refuse(fmt::format("{}: {} has a count of {}", operation, argument, count));
    total += count;
  }
  return total;
}

void require_apart(const TensorView& send, const TensorView& receive, const void* own,
                   const char* operation) {
  const auto* s = send.as<const std::byte>();
  const auto* r = receive.as<const std::byte>();
  const bool apart = send.bytes() == 0 || receive.bytes() == 0 || s + send.bytes() <= r ||
                     r + receive.bytes() <= s;
  if (!apart && (!own || s != own))
    refuse(fmt::format("{}: send and receive share memory", operation),
           own ? "give this rank's own part of receive as send, or another buffer"
               : "give it other memory");
}

void require_parts(const TensorView& part, const TensorView& whole, int ranks, int root,
                   const char* operation, const char* whole_argument) {
  require_contiguous(whole, operation, whole_argument);
  require_elements(whole, part.numel() * ranks, operation, whole_argument);
  require_apart(part, whole, whole.as<std::byte>() + root * part.bytes(), operation);
}

void require_views(Communicator::Views send, Communicator::Views receive, int ranks) {
  constexpr const char* kName = "all_to_all";
  for (const auto& views : {send, receive})
    if (static_cast<int>(views.size()) != ranks)
      refuse(fmt::format("{}: needs one view for each of {} ranks, got {}", kName, ranks,
                         views.size()));
  for (const auto& out : send) {
    require_contiguous(out, kName, "send");
    for (const auto& in : receive) {
      require_contiguous(in, kName, "receive");
      require_same_dtype(out, in, kName);
      require_apart(out, in, nullptr, kName);
    }
  }
}

std::vector<Transfer::Piece> pieces(Communicator::Views views) {
  std::vector<Transfer::Piece> pieces;
  for (const auto& view : views) pieces.push_back({view.data, view.bytes()});
  return pieces;
}

std::vector<Transfer::Piece> cut(const TensorView& view, std::span<const std::int64_t> counts) {
  std::vector<Transfer::Piece> pieces;
  auto* at = view.as<std::byte>();
  for (const std::int64_t count : counts) {
    pieces.push_back({at, count * size_of(view.dtype)});
    at += pieces.back().bytes;
  }
  return pieces;
}

std::vector<Transfer::Piece> repeat(const TensorView& view, int ranks) {
  return {static_cast<std::size_t>(ranks), Transfer::Piece{view.data, view.bytes()}};
}

std::vector<Transfer::Piece> only(const TensorView& view, int ranks, int rank) {
  std::vector<Transfer::Piece> pieces(static_cast<std::size_t>(ranks));
  pieces[static_cast<std::size_t>(rank)] = {view.data, view.bytes()};
  return pieces;
}

}  // namespace gigatrain::collectives
