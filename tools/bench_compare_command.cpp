// `gigatrain bench compare`: what became faster and what slower between two files of a benchmark.

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli.h"
#include "gigatrain/train/bench_compare.h"

namespace gigatrain::tools {

namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string before, after;
  double tolerance = 0.1;
};

Json to_json(const BenchComparison& c, double tolerance) {
  Json j = {{"bench", c.bench},
            {"before_device", c.before_device},
            {"after_device", c.after_device},
            {"tolerance", tolerance},
            {"changes", Json::array()},
            {"only_before", c.only_before},
            {"only_after", c.only_after},
            {"slower", Json::array()}};
  for (const auto& r : c.changes)
    j["changes"].push_back({{"name", r.name},
                            {"before_ms", r.before_ms},
                            {"after_ms", r.after_ms},
                            {"ratio", r.ratio()}});
  for (const auto& r : c.slower(tolerance)) j["slower"].push_back(r.name);
  return j;
}

void print_missing(const std::vector<std::string>& names, const char* file) {
  for (const auto& name : names) fmt::print("only in the {} file: {}\n", file, name);
}

void print(const BenchComparison& c, double tolerance) {
  if (c.before_device != c.after_device)
    fmt::print("note: two devices: {}, then {}\n", c.before_device, c.after_device);
  std::size_t width = 0;
  for (const auto& r : c.changes) width = std::max(width, r.name.size());
  fmt::print("{:<{}} {:>11} {:>11} {:>7}\n", "", width, "before ms", "after ms", "ratio");
  for (const auto& r : c.changes)
    fmt::print("{:<{}} {:>11.4f} {:>11.4f} {:>7.3f}{}\n", r.name, width, r.before_ms, r.after_ms,
               r.ratio(), !r.small && r.ratio() > 1 + tolerance ? "  slower" : "");
  print_missing(c.only_before, "first");
  print_missing(c.only_after, "second");
  const std::size_t slower = c.slower(tolerance).size();
  fmt::print("{} of {} slower by more than {:g} %\n", slower ? std::to_string(slower) : "none",
             c.changes.size(), 100 * tolerance);
}

int run(const Globals& globals, const Options& o) {
  if (!(o.tolerance >= 0 && o.tolerance < 1e6))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("--tolerance must be a fraction of at least 0, got {}", o.tolerance),
                "0.1 allows ten per cent");
  const BenchComparison c = compare_benches(o.before, o.after);
  if (globals.json)
    fmt::print("{}\n",
               to_json(c, o.tolerance).dump(-1, ' ', false, Json::error_handler_t::replace));
  else
    print(c, o.tolerance);
  return c.slower(o.tolerance).empty() ? kOk : kStopped;
}

}  // namespace

void add_bench_compare(CLI::App& app, const Globals& globals, Action& action) {
  auto* command = app.add_subcommand("compare", "two JSON files of a benchmark, side by side");
  command->footer(
      "Exit code 7 if anything is slower by more than the tolerance; of a step, kernels and\n"
      "time outside kernels count from a hundredth of the step on.\n"
      "Example: gigatrain bench kernels --json > before.json; ...\n"
      "         gigatrain bench compare before.json after.json --tolerance 0.05");
  auto o = std::make_shared<Options>();
  command->add_option("before", o->before, "JSON of `bench kernels` or `bench step`")->required();
  command->add_option("after", o->after, "a later one")->required();
  command->add_option("--tolerance", o->tolerance, "a fraction of the time before")
      ->capture_default_str();
  command->callback(
      [&globals, &action, o] { action = [&globals, o] { return run(globals, *o); }; });
}

}  // namespace gigatrain::tools
