// What the subcommands share: global flags, exit codes, the shape of an error.
#pragma once

#include <CLI/CLI.hpp>

#include <functional>
#include <string>

#include "gigatrain/base/error.h"
#include "gigatrain/runtime/device.h"

namespace gigatrain::tools {

struct Globals {
  int ranks = 1;
  std::string device = "auto";
  bool tf32 = false, tune = false;
  bool quiet = false;
  bool json = false;
};

// docs/reference.md has the table.
enum ExitCode : int {
  kOk = 0,
  kUsage = 2,
  kData = 3,
  kDevice = 4,
  kDistributed = 5,
  kCheckpoint = 6,
  kStopped = 7,
  kInternal = 70,
  kPreempted = 75
};
int exit_code(const Error& error);
void print_error(const Error& error);

// Checks --device, and makes the device of rank `rank` of `ranks` that share the machine: GPUs are
// dealt to them in turn, and may have several each.
std::unique_ptr<Device> make_device(const Globals& globals, int ranks = 1, int rank = 0);
// How many of them share a GPU, if they use GPUs.
int ranks_on_one_gpu(int ranks);
// Throws Error(unsupported) for a command that one rank runs.
void require_one_rank(const Globals& globals);

// A subcommand: `add_*` declares its options and, when it is chosen, sets what to run.
using Action = std::function<int()>;
void add_doctor(CLI::App& app, const Globals& globals, Action& action);
void add_validate(CLI::App& app, const Globals& globals, Action& action);
void add_plan(CLI::App& app, const Globals& globals, Action& action);
void add_bench(CLI::App& app, const Globals& globals, Action& action);
void add_report(CLI::App& app, const Globals& globals, Action& action);
void add_bench_step(CLI::App& app, const Globals& globals, Action& action);     // of bench
void add_bench_compare(CLI::App& app, const Globals& globals, Action& action);  // of bench
void add_data(CLI::App& app, const Globals& globals, Action& action);
void add_train(CLI::App& app, const Globals& globals, Action& action);
void add_eval(CLI::App& app, const Globals& globals, Action& action);
void add_generate(CLI::App& app, const Globals& globals, Action& action);
void add_ckpt(CLI::App& app, const Globals& globals, Action& action);
void add_import(CLI::App& app, const Globals& globals, Action& action);
void add_export(CLI::App& app, const Globals& globals, Action& action);
void add_convert(CLI::App& ckpt, const Globals& globals, Action& action);  // export, under `ckpt`

}  // namespace gigatrain::tools
