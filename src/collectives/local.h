// A communicator of one rank: copies at once, in the caller.
#pragma once

#include "gigatrain/collectives/communicator.h"

namespace gigatrain::collectives {

std::unique_ptr<Communicator> make_local(Group group, std::shared_ptr<OperationLog> log);

// Moves one piece; nothing if it is there already.
void copy_piece(const Transfer::Piece& to, const Transfer::Piece& from);

}  // namespace gigatrain::collectives
