// `gigatrain report`: runs as one HTML file that needs nothing else, and as TensorBoard's scalars.

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli.h"
#include "gigatrain/train/report.h"
#include "progress.h"

namespace gigatrain::tools {

namespace {

struct Options {
  std::vector<std::string> runs;
  std::string output;
  bool tensorboard = false;
};

int report(const Globals& globals, const Options& options) {
  const ReportSummary summary = write_report(options.runs, options.output);
  nlohmann::ordered_json json = {
      {"report", summary.path}, {"bytes", summary.bytes}, {"last_step", summary.last_step}};
  json["tensorboard"] = nlohmann::ordered_json::array();
  if (options.tensorboard)
    for (const auto& run : options.runs) json["tensorboard"].push_back(write_tensorboard(run));
  for (const auto& warning : summary.warnings) fmt::print(stderr, "warning: {}\n", warning);
  if (globals.json) {
    fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    return kOk;
  }
  if (globals.quiet) return kOk;
  fmt::print("report   {} ({}, up to step {}): open it in a browser\n", summary.path,
             format_bytes(static_cast<double>(summary.bytes)), summary.last_step);
  for (const auto& file : json["tensorboard"]) fmt::print("scalars  {}\n", file.get<std::string>());
  return kOk;
}

}  // namespace

void add_report(CLI::App& app, const Globals& globals, Action& action) {
  auto* command = app.add_subcommand("report", "draw runs as one HTML page, and compare them");
  command->footer(
      "Works while a run trains. The file needs no network.\n"
      "Examples: gigatrain report runs/bible\n"
      "          gigatrain report runs/* --output compare.html\n"
      "          gigatrain report runs/* --tensorboard && tensorboard --logdir runs");
  auto o = std::make_shared<Options>();
  command->add_option("runs", o->runs, "run folders")->required();
  command->add_option("--output", o->output,
                      "file to write; default: RUN/report.html, for several runs report.html");
  command->add_flag("--tensorboard", o->tensorboard,
                    "write RUN/events.out.tfevents.gigatrain too, with every step's scalars");
  command->callback(
      [&globals, &action, o] { action = [&globals, o] { return report(globals, *o); }; });
}

}  // namespace gigatrain::tools
