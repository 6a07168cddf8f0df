// Parameter groups by name: a short ordered list of rules, the first that matches a parameter wins.
//
//   groups_by_pattern(nn::trainable_parameters(*model),
//                     {{"*wte*", 0.1f, 0.0f}, {"re:.*\\.h\\.[0-5]\\..*", 0.5f}}, 0.1f)
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gigatrain/optim/optimizer.h"

namespace gigatrain::optim {

struct GroupRule {
  // Of whole names: a glob, where * is any text and ? any character, or "re:" and a regular
  // expression (ECMAScript).
  std::string pattern;
  float lr_scale = 1.0f;                             // multiplies the step's learning rate
  std::optional<float> weight_decay = std::nullopt;  // none: as without a rule
};

// Parameters that no rule matches: matrices decay by weight_decay, vectors do not. Throws
// Error(invalid_argument) for a pattern that is malformed, or that wins no parameter.
std::vector<ParameterGroup> groups_by_pattern(const std::vector<Parameter*>& parameters,
                                              const std::vector<GroupRule>& rules,
                                              float weight_decay);

// "*.wte.*: lr=0.1, decay=0" (either setting may be left out). Throws Error(invalid_argument).
GroupRule parse_group_rule(std::string_view text);

// Does the whole name match the pattern?
bool matches_pattern(std::string_view pattern, std::string_view name);

}  // namespace gigatrain::optim
