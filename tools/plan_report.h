// How the commands show a memory plan.
#pragma once

#include <nlohmann/json.hpp>

#include "gigatrain/train/memory_plan.h"

namespace gigatrain::tools {

nlohmann::ordered_json json_of(const MemoryPlan& plan);  // {"device": {...}, "host": {...}}

// "parameters 0.7 GiB, gradients 0.5 GiB, ...": the purposes that take anything.
std::string purposes_of(const MemoryPlan& plan);

// The device's memory that a plan may use, and the rest.
std::int64_t context_bytes(const PlanTarget& target);

}  // namespace gigatrain::tools
