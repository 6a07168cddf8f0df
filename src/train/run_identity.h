// Whether two resolved configurations describe the same run. What a run is told to print, save or
// evaluate may change, and so may its length; what shapes its weights may not.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace gigatrain {

// "optim.lr" -> "0.004": the keys of a resolved configuration, values as TOML writes them.
std::map<std::string, std::string> flatten_toml(const std::string& toml);

// "optim.lr was 0.004, is 1" for each key that makes it another run; empty: the same run.
std::vector<std::string> identity_differences(const std::string& saved_toml,
                                              const std::string& toml);

}  // namespace gigatrain
