// Before ranks train together: do they mean the same run?
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "gigatrain/collectives/communicator.h"

namespace gigatrain {

// What a rank goes by: {"configuration", "..."}, {"training data", "3f..."}, ...
using Facts = std::vector<std::pair<std::string, std::string>>;

// Every rank gives the same names. Throws Error(invalid_argument), the same on every rank, that
// names the first fact and rank that differ from rank 0, and both values; of long texts the first
// line that differs.
void require_agreement(Communicator& ranks, const Facts& facts);

}  // namespace gigatrain
