// One rank of many that do not exist: operations are checked and end at once, no data move. For
// dry devices (runtime/device.h), which plan the memory of a rank's step on shapes alone.
#pragma once

#include <memory>

#include "gigatrain/collectives/communicator.h"

namespace gigatrain {

// Ranks agree with this one: a split has them all in its group, and all_reduce sees its values.
std::unique_ptr<Communicator> make_dry_communicator(int rank, int ranks);

}  // namespace gigatrain
