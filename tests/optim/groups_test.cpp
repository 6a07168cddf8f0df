// Groups by name pattern.

#include "gigatrain/optim/groups.h"

#include <catch2/catch.hpp>

#include "gigatrain/base/error.h"
#include "optim/optimizer_trial.h"

using namespace gigatrain;
using namespace gigatrain::optim;
using Catch::Matchers::Contains;

TEST_CASE("globs and regular expressions match whole names", "[unit][optim]") {
  CHECK(matches_pattern("*", ""));
  CHECK(matches_pattern("*.wte.*", "transformer.wte.weight"));
  CHECK(matches_pattern("h.?.b", "h.3.b"));
  CHECK_FALSE(matches_pattern("h.?.b", "h.13.b"));
  CHECK_FALSE(matches_pattern("wte", "transformer.wte"));
  CHECK(matches_pattern("a*b*c", "a.b.b.xc"));
  CHECK_FALSE(matches_pattern("a*b*c", "a.b.b.xcd"));
  CHECK(matches_pattern("a**", "a"));
  CHECK_FALSE(matches_pattern("", "a"));
  CHECK(matches_pattern("re:h\\.(\\d+)\\.w", "h.12.w"));
  CHECK_FALSE(matches_pattern("re:h", "h.12.w"));
}

TEST_CASE("the first pattern that matches decides; the others decay as usual", "[unit][optim]") {
  Device device({.threads = 1});
  const auto a = test::trial_parameter(device, "wte.weight", {4, 4});
  const auto b = test::trial_parameter(device, "h.0.weight", {4, 4});
  const auto c = test::trial_parameter(device, "h.0.bias", {4});
  const auto d = test::trial_parameter(device, "head.weight", {4, 4});
  const std::vector<Parameter*> all{a.get(), b.get(), c.get(), d.get()};
  const auto groups =
      groups_by_pattern(all, {{"wte.*", 0.5f, 0.0f}, {"re:(wte|h\\.0)\\..*", 0.25f}}, 0.1f);
  const auto found = [&](const Parameter* p) {
    for (const auto& group : groups)
      for (const auto* q : group.parameters)
        if (q == p) return std::pair{group.lr_scale, group.weight_decay};
    return std::pair{-1.0f, -1.0f};
  };
  CHECK(found(a.get()) == std::pair{0.5f, 0.0f});
  CHECK(found(b.get()) == std::pair{0.25f, 0.1f});
  CHECK(found(c.get()) == std::pair{0.25f, 0.0f});
  CHECK(found(d.get()) == std::pair{1.0f, 0.1f});
  CHECK_THROWS_WITH(groups_by_pattern(all, {{"wte.*"}, {"lm_head.*"}}, 0.1f),
                    Contains("'lm_head.*' matches no parameter that an earlier pattern left"));
  CHECK_THROWS_WITH(groups_by_pattern(all, {{"wpe"}}, 0.1f),
                    Contains("'wpe' matches no parameter"));
}

TEST_CASE("groups are read from text", "[unit][optim][errors]") {
  const GroupRule rule = parse_group_rule(" *.wte.* : lr=0.1, decay = 0 ");
  CHECK(rule.pattern == "*.wte.*");
  CHECK(rule.lr_scale == 0.1f);
  CHECK(rule.weight_decay == 0.0f);
  CHECK_FALSE(parse_group_rule("a: lr=2").weight_decay.has_value());
  CHECK(parse_group_rule("re:(?:a|b): decay=1").pattern == "re:(?:a|b)");
  const std::pair<const char*, const char*> wrong[] = {
      {"wte", "no ':' after the pattern"},    {"re:wte", "no ':' after the pattern"},
      {": lr=1", "the pattern is empty"},     {"a:", "neither lr nor decay"},
      {"a: rate=1", "'rate' is neither"},     {"a: lr=x", "lr must be a number"},
      {"a: lr=-1", "at least 0, got '-1'"},   {"a: decay", "decay must be a number"},
      {"a: lr=1,", "'' is neither"},          {"re:(: lr=1", "not a regular expression"},
      {"a: lr=nan", "lr must be a number of"}};
  for (const auto& [text, message] : wrong) {
    CAPTURE(text);
    CHECK_THROWS_WITH(parse_group_rule(text), Contains(message));
  }
}
