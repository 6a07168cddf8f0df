// Models that commands know by name, in place of a configuration file.
#pragma once

#include <string>
#include <vector>

#include "gigatrain/train/config.h"

namespace gigatrain::tools {

// "gpt2, gpt2-medium, ..."
std::string preset_names();

// What a command's user gives: a file, or a preset's name, in which case what stands in the file's
// place is the first key=value. `batch`: the preset's lines of [train] and [precision].
struct ConfigChoice {
  std::string file, model;
  std::vector<std::string> overrides;
};
Config read_config(const ConfigChoice& choice, const std::string& batch, const char* what);

}  // namespace gigatrain::tools
