// `gigatrain ckpt ls | verify | diff | convert | save`: what a run has saved, whether it is whole,
// where two checkpoints differ; asking for one.

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "cli.h"
#include "gigatrain/train/checkpoint_diff.h"
#include "gigatrain/train/checkpoint_files.h"
#include "gigatrain/train/run_folder.h"
#include "progress.h"

namespace gigatrain::tools {

namespace {

using Json = nlohmann::ordered_json;

constexpr int kDifferent = 1;  // as diff(1) and cmp(1) say it

std::string hex(std::uint64_t digest) {
  return fmt::format("{:016x}", digest);
}

Json number(double x) {
  return std::isfinite(x) ? Json(x) : Json();
}

void print_json(const Json& json) {
  fmt::print("{}\n", json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

// A name from a file may hold anything, a terminal's control codes too.
std::string printable(const std::string& name) {
  const std::string quoted = Json(name).dump(-1, ' ', true, Json::error_handler_t::replace);
  return quoted.substr(1, quoted.size() - 2);
}

// Whatever is wrong with a checkpoint's files is the checkpoint's fault, a missing folder too.
int with_checkpoint_code(const std::function<int()>& command) {
  try {
    return command();
  } catch (const Error& e) {
    if (e.code() != ErrorCode::io) throw;
    print_error(e);
    return kCheckpoint;
  }
}

// One line of `ls`. Sizes are checked, contents are not: that is what `verify` is for.
struct Listed {
  CheckpointEntry entry;
  std::int64_t bytes = 0;
  TrainState state;
  std::string damage;
};

Listed look_at(const CheckpointEntry& entry) {
  Listed listed{entry, 0, {}, {}};
  try {
    const Checkpoint c = Checkpoint::open(entry.folder, {.check_sha256 = false});
    listed.bytes = c.bytes();
    listed.state = c.state();
  } catch (const Error& e) {
    listed.damage = e.message();
  }
  return listed;
}

Json to_json(const Listed& l) {
  Json j = {{"folder", l.entry.folder}, {"step", l.entry.step}, {"latest", l.entry.latest}};
  j["best"] = l.entry.best;
  if (!l.damage.empty()) {
    j["damage"] = l.damage;
    return j;
  }
  j["tokens"] = l.state.tokens;
  j["bytes"] = l.bytes;
  j["best_eval_loss"] = number(l.state.best_eval_loss);
  j["digest"] = hex(l.state.state_digest);
  return j;
}

void print_row(const Listed& l) {
  const std::string marks =
      fmt::format("{}{}", l.entry.latest ? " latest" : "", l.entry.best ? " best" : "");
  if (!l.damage.empty())
    fmt::print("{:<15} DAMAGED: {}{}\n", l.entry.name, l.damage, marks);
  else
    fmt::print("{:<15} {:>10} {:>10}  {}{}\n", l.entry.name,
               format_bytes(static_cast<double>(l.bytes)),
               format_count(static_cast<double>(l.state.tokens)), hex(l.state.state_digest), marks);
}

int list(const Globals& globals, const std::string& path) {
  const auto entries = list_checkpoints(path);
  Json all = Json::array();
  if (!globals.json && !entries.empty())
    fmt::print("{:<15} {:>10} {:>10}  digest\n", "checkpoint", "size", "tokens");
  for (const auto& entry : entries) {
    const Listed listed = look_at(entry);
    if (globals.json)
      all.push_back(to_json(listed));
    else
      print_row(listed);
  }
  if (globals.json)
    print_json(all);
  else if (entries.empty())
    fmt::print("'{}' holds no checkpoints\n", path);
  return kOk;
}

Json to_json(const CheckpointReport& r) {
  return {{"folder", r.folder},    {"whole", r.whole()}, {"step", r.step},
          {"tensors", r.tensors},  {"bytes", r.bytes},   {"digest", hex(r.state_digest)},
          {"problems", r.problems}};
}

void print_report(const CheckpointReport& r, bool quiet) {
  for (const auto& problem : r.problems) fmt::print("{}: {}\n", r.folder, problem);
  if (!r.whole())
    fmt::print("{}: DAMAGED, {} problem{}\n", r.folder, r.problems.size(),
               r.problems.size() == 1 ? "" : "s");
  else if (!quiet)
    fmt::print("{}: whole; step {}, {} tensors, {}, digest {}\n", r.folder, r.step, r.tensors,
               format_bytes(static_cast<double>(r.bytes)), hex(r.state_digest));
}

// Every checkpoint of a run with --all, else the one that `path` means.
std::vector<std::string> folders(const std::string& path, bool all) {
  if (!all) return {path};
  std::vector<std::string> found;
  for (const auto& entry : list_checkpoints(path)) found.push_back(entry.folder);
  if (found.empty())
    throw Error(ErrorCode::corrupt, fmt::format("'{}' holds no checkpoints", path),
                "give a run folder, or leave --all out for the folder of one step");
  return found;
}

int verify(const Globals& globals, const std::string& path, bool all) {
  Json reports = Json::array();
  bool whole = true;
  for (const auto& folder : folders(path, all)) {
    const CheckpointReport report = verify_checkpoint(folder);
    whole = whole && report.whole();
    if (globals.json)
      reports.push_back(to_json(report));
    else
      print_report(report, globals.quiet);
  }
  if (globals.json) print_json(all ? reports : reports[0]);
  return whole ? kOk : kCheckpoint;
}

Json to_json(const TensorDiff& t) {
  if (!t.reason.empty()) return {{"name", t.name}, {"reason", t.reason}};
  return {{"name", t.name},
          {"elements", t.elements},
          {"differing", t.differing},
          {"max_abs", number(t.max_abs)}};
}

void print_differences(const CheckpointDiff& d) {
  for (const auto& t : d.tensors)
    if (t.reason.empty())
      fmt::print("{}: {} of {} elements differ, by at most {:.3g}\n", printable(t.name),
                 t.differing, t.elements, t.max_abs);
    else
      fmt::print("{}: {}\n", printable(t.name), t.reason);
}

int diff(const Globals& globals, const std::string& first, const std::string& second) {
  const Checkpoint a = Checkpoint::open(first), b = Checkpoint::open(second);
  const CheckpointDiff d = diff_checkpoints(a, b);
  if (globals.json) {
    Json j = {{"equal", d.equal()}, {"same", d.same}, {"different", Json::array()}};
    for (const auto& t : d.tensors) j["different"].push_back(to_json(t));
    j["steps"] = {a.state().step, b.state().step};
    j["digests"] = {hex(a.state().state_digest), hex(b.state().state_digest)};
    print_json(j);
  } else {
    print_differences(d);
    for (const Checkpoint* c : {&a, &b})
      if (!globals.quiet)
        fmt::print("{}: step {}, digest {}\n", c->folder(), c->state().step,
                   hex(c->state().state_digest));
    fmt::print("{} tensors have the same bits, {} differ\n", d.same, d.tensors.size());
  }
  return d.equal() ? kOk : kDifferent;
}

// `run` becomes what the command does when this subcommand is chosen.
void on_chosen(CLI::App* command, Action& action, const std::function<int()>& run) {
  command->callback([&action, run] { action = [run] { return with_checkpoint_code(run); }; });
}

void add_ls(CLI::App& app, const Globals& globals, Action& action) {
  auto* command = app.add_subcommand("ls", "list the checkpoints of a run, oldest first");
  command->footer("Example: gigatrain ckpt ls runs/bible");
  auto path = std::make_shared<std::string>();
  command->add_option("path", *path, "run folder, or its ckpt/ folder")->required();
  on_chosen(command, action, [&globals, path] { return list(globals, *path); });
}

void add_verify(CLI::App& app, const Globals& globals, Action& action) {
  auto* command = app.add_subcommand("verify", "check every size, SHA-256 and digest");
  command->footer(
      "Exit code 6 if anything is damaged.\nExample: gigatrain ckpt verify runs/bible --all");
  auto path = std::make_shared<std::string>();
  auto all = std::make_shared<bool>(false);
  command->add_option("path", *path, "run folder (its newest checkpoint), or one checkpoint")
      ->required();
  command->add_flag("--all", *all, "every checkpoint of the run");
  on_chosen(command, action, [&globals, path, all] { return verify(globals, *path, *all); });
}

void add_save(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("save", "ask a run that is training for a checkpoint now");
  command->footer(
      "Training does not stop for it. The same as `touch RUN/SAVE`.\n"
      "Example: gigatrain ckpt save runs/bible");
  auto run = std::make_shared<std::string>();
  command->add_option("run", *run, "run folder")->required();
  on_chosen(command, action, [run] {
    request_checkpoint(*run);
    return kOk;
  });
}

void add_diff(CLI::App& app, const Globals& globals, Action& action) {
  auto* command = app.add_subcommand("diff", "compare the tensors of two checkpoints, bit by bit");
  command->footer(
      "Exit code 0: the same bits; 1: they differ; 6: one of them is damaged.\n"
      "Example: gigatrain ckpt diff runs/a runs/b/ckpt/step_00001000");
  auto a = std::make_shared<std::string>(), b = std::make_shared<std::string>();
  command->add_option("first", *a, "run folder (its newest checkpoint), or one checkpoint")
      ->required();
  command->add_option("second", *b, "likewise")->required();
  on_chosen(command, action, [&globals, a, b] { return diff(globals, *a, *b); });
}

}  // namespace

void add_ckpt(CLI::App& app, const Globals& globals, Action& action) {
  auto* command = app.add_subcommand("ckpt", "list, verify, compare, convert, ask for checkpoints");
  command->footer("Example: gigatrain ckpt ls runs/bible");
  command->require_subcommand(1);
  command->fallthrough();
  add_ls(*command, globals, action);
  add_verify(*command, globals, action);
  add_diff(*command, globals, action);
  add_convert(*command, globals, action);
  add_save(*command, action);
}

}  // namespace gigatrain::tools
