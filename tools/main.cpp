// The `gigatrain` command.

#include <cstdio>
#include <exception>

#include "cli.h"
#include "gigatrain/version.h"

using namespace gigatrain;
using namespace gigatrain::tools;

namespace {

int run(int argc, char** argv) {
  CLI::App app{"gigatrain trains neural networks, with the same bits on any number of cores."};
  app.set_version_flag("--version", "gigatrain " GIGATRAIN_VERSION);
  app.require_subcommand(1);
  app.fallthrough();  // global flags may stand after the subcommand
  Globals globals;
  app.add_option("--ranks", globals.ranks, "ranks, as threads of this process")
      ->capture_default_str();
  app.add_option("--device", globals.device, "auto, cpu or cuda")->capture_default_str();
  app.add_flag("--tf32", globals.tf32,
               "f32 products of a GPU on tensor cores, with 10-bit operands");
  app.add_flag(
      "--tune", globals.tune,
      "choose a GPU's product algorithms by timing; checkpoints and ~/.cache/gigatrain keep "
      "them");
  app.add_flag("--quiet", globals.quiet, "only errors and results");
  app.add_flag("--json", globals.json, "machine-readable results on standard output");
  Action action;
  for (const auto add : {add_doctor, add_validate, add_plan, add_bench, add_data, add_train,
                         add_report, add_eval, add_generate, add_ckpt, add_import, add_export})
    add(app, globals, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& e) {
    return app.exit(e);
  } catch (const CLI::CallForAllHelp& e) {
    return app.exit(e);
  } catch (const CLI::CallForVersion& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    std::fprintf(stderr, "error: %s\n  next: gigatrain %s--help\n", e.what(),
                 app.get_subcommands().empty()
                     ? ""
                     : (app.get_subcommands().front()->get_name() + " ").c_str());
    return kUsage;
  }
  return action();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const Error& e) {
    print_error(e);
    return exit_code(e);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "internal error: %s\n  this is a bug in gigatrain; please report it\n",
                 e.what());
    return kInternal;
  }
}
