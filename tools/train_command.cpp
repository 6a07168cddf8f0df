// `gigatrain train CONFIG [key=value ...]`: runs it, or continues it where it stopped.

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli.h"
#include "gigatrain/collectives/thread_ranks.h"
#include "gigatrain/train/checkpoint_files.h"
#include "gigatrain/train/config.h"
#include "gigatrain/train/training_run.h"
#include "progress.h"

namespace gigatrain::tools {

namespace {

std::atomic<int> signals_seen{0};

// The first signal ends the step and saves; a second one ends at once, with the last checkpoint
// whole.
extern "C" void on_signal(int) {
  if (signals_seen.fetch_add(1) > 0) _exit(130);
}

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) sigaction(signal, &action, nullptr);
}

int terminal_width() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

struct Options {
  std::string config;
  std::vector<std::string> overrides;
  bool overwrite = false, anomaly = false, trace = false;
};

RunMode choose_mode(const Config& config, bool overwrite) {
  if (overwrite) return RunMode::overwrite;
  const std::string folder = config.run.dir + "/" + config.run.name;
  std::error_code ignored;
  // A crash may leave the first checkpoint before LATEST names it.
  const bool saved = std::filesystem::is_directory(folder + "/ckpt", ignored) &&
                     (std::filesystem::exists(folder + "/ckpt/LATEST", ignored) ||
                      !list_checkpoints(folder).empty());
  return saved ? RunMode::resume : RunMode::fresh;
}

int report(const RunOutcome& o, const Config& config, const Globals& globals) {
  const bool stopped = o.reason == StopReason::requested;
  if (globals.json) {
    const auto number = [](double x) {
      return std::isfinite(x) ? nlohmann::json(x) : nlohmann::json();
    };
    fmt::print("{}\n", nlohmann::ordered_json{{"folder", o.folder},
                                              {"step", o.step},
                                              {"steps", config.train.steps},
                                              {"loss", number(o.loss)},
                                              {"val_loss", number(o.val_loss)},
                                              {"checkpoint", o.checkpoint},
                                              {"digest", o.digest},
                                              {"finished", o.reason == StopReason::finished}}
                           .dump());
  } else if (!globals.quiet) {
    fmt::print("{} at step {} of {}; state digest {}\n",
               o.reason == StopReason::finished ? "finished" : "stopped", o.step,
               config.train.steps, o.digest);
    fmt::print("next: {}\n", stopped || o.reason == StopReason::time_limit
                                 ? "the same command again continues the run"
                                 : fmt::format("gigatrain generate {}", o.folder));
  }
  return stopped ? kPreempted : o.reason == StopReason::time_limit ? kStopped : kOk;
}

// A rank that never comes back cannot be waited for: the others have a second to end.
void end_soon(const Error& cause) {
  std::thread([cause] {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    print_error(cause);
    _exit(exit_code(cause));
  }).detach();
}

RunOutcome train_on_ranks(const Globals& globals, const Config& config, RunMode mode,
                          RunObserver& observer) {
  RunOutcome outcome;
  run_ranks(globals.ranks,
            [&](Communicator& ranks) {
              const auto device = make_device(globals, ranks.size(), ranks.rank());
              const RunOutcome own = train_run(ranks, *device, config, mode, observer,
                                               [] { return signals_seen.load() > 0; });
              if (ranks.rank() == 0) outcome = own;
            },
            {.on_failure = end_soon});
  return outcome;
}

int train(const Globals& globals, const Options& options) {
  Config config = load_config(options.config, options.overrides);
  config.train.anomaly |= options.anomaly;
  config.log.trace |= options.trace;
  catch_signals();
  const bool quiet = globals.quiet || globals.json;
  Progress progress(quiet, isatty(STDOUT_FILENO) != 0, terminal_width());
  const RunMode mode = choose_mode(config, options.overwrite);
  const auto asked = [] { return signals_seen.load() > 0; };
  if (globals.ranks != 1)
    return report(train_on_ranks(globals, config, mode, progress), config, globals);
  const auto device = make_device(globals);
  return report(train_run(*device, config, mode, progress, asked), config, globals);
}

}  // namespace

void add_train(CLI::App& app, const Globals& globals, Action& action) {
  auto* command = app.add_subcommand("train", "train a model; run it again to continue");
  command->footer(
      "Example: gigatrain train examples/recipes/bible.toml optim.lr=2e-3 run.name=slower\n\n" +
      config_help());
  auto options = std::make_shared<Options>();
  command->add_option("config", options->config, "configuration file (TOML)")->required();
  command->add_option("overrides", options->overrides, "key=value, e.g. train.steps=500");
  command->add_flag("--overwrite", options->overwrite, "start again in a folder that holds a run");
  command->add_flag("--anomaly", options->anomaly,
                    "stop where the first NaN or Inf is made and name it (train.anomaly)");
  command->add_flag("--trace", options->trace,
                    "write a timeline of some steps for ui.perfetto.dev (log.trace)");
  command->callback([&globals, &action, options] {
    action = [&globals, options] { return train(globals, *options); };
  });
}

}  // namespace gigatrain::tools
