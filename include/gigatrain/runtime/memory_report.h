// Where a device's memory is at this moment: live bytes by purpose, and the largest blocks.
#pragma once

#include <string>

#include "gigatrain/runtime/device.h"

namespace gigatrain {

// A table to read, one line a purpose and one a block, the largest `blocks` of them; blocks of one
// name and size share a line.
std::string memory_report(Device& device, int blocks = 10);

}  // namespace gigatrain
