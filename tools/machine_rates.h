// What was measured of a machine, its products aside, as JSON and as one line.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "gigatrain/train/machine_limit.h"

namespace gigatrain::tools {

// Rates that were not measured are left out.
nlohmann::ordered_json rates_of(const MachineLimit& limit);
std::string format_rates(const MachineLimit& limit);

}  // namespace gigatrain::tools
