// What one rank can check of a communicator's call before anything is submitted.
#pragma once

#include <cstdint>
#include <span>

#include "gigatrain/base/tensor_view.h"
#include "gigatrain/collectives/communicator.h"

namespace gigatrain::collectives {

void require_contiguous(const TensorView& view, const char* operation, const char* argument);
void require_same_dtype(const TensorView& send, const TensorView& receive, const char* operation);
// `view` has exactly so many elements.
void require_elements(const TensorView& view, std::int64_t elements, const char* operation,
                      const char* argument);
// One count a rank, none below 0; returns their sum.
std::int64_t require_counts(std::span<const std::int64_t> counts, int ranks, const char* operation,
                            const char* argument);
// No byte of `send` may be in `receive`, unless `send` is just `own`, the part that stays.
void require_apart(const TensorView& send, const TensorView& receive, const void* own,
                   const char* operation);
// The root's `whole` has room for a `part` of each rank; its own may lie there already.
void require_parts(const TensorView& part, const TensorView& whole, int ranks, int root,
                   const char* operation, const char* whole_argument);
// For all_to_all: a contiguous view a rank, all of one dtype, none that is sent in one received.
void require_views(Communicator::Views send, Communicator::Views receive, int ranks);

std::vector<Transfer::Piece> pieces(Communicator::Views views);
// The parts of a buffer, one after the other.
std::vector<Transfer::Piece> cut(const TensorView& view, std::span<const std::int64_t> counts);
// One part a rank, all the same: the whole buffer.
std::vector<Transfer::Piece> repeat(const TensorView& view, int ranks);
// Nothing but for one rank.
std::vector<Transfer::Piece> only(const TensorView& view, int ranks, int rank);

}  // namespace gigatrain::collectives
