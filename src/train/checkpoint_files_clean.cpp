// What a ckpt/ folder sheds: leftovers of processes that died, and checkpoints beyond `keep`.
//   .tmp-step_N.PID    was being written
//   .old-step_N.PID    stood aside while step_N was replaced: whole
//   .gone-step_N.PID   is being removed
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "checkpoint_files_internal.h"
#include "gigatrain/base/error.h"

namespace gigatrain {
namespace {

// Ours counts as dead: whoever had our number before us is gone, and we write one at a time. The
// number may have gone to a stranger, or be of another host: who writes alone need not ask.
bool process_is_dead(std::string_view number, bool alone) {
  int pid = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), pid);
  if (error != std::errc{} || end != number.data() + number.size() || pid <= 0) return false;
  return alone || pid == ::getpid() || (::kill(pid, 0) != 0 && errno == ESRCH);
}

// "step_00000010" of ".tmp-step_00000010.4711" whose process is dead; else empty.
std::string step_of_leftover(const std::string& name, std::string_view prefix, bool alone) {
  if (!name.starts_with(prefix)) return {};
  const auto dot = name.find_last_of('.');
  if (dot <= prefix.size()) return {};
  const std::string step = name.substr(prefix.size(), dot - prefix.size());
  const bool ours =
      parse_step_name(step) && process_is_dead(std::string_view(name).substr(dot + 1), alone);
  return ours ? step : std::string{};
}

bool is_pointer_leftover(const std::string& name, bool alone) {
  for (const char* pointer : {kLatest, kBest}) {
    const std::string prefix = std::string(pointer) + ".tmp.";
    if (name.starts_with(prefix) &&
        process_is_dead(std::string_view(name).substr(prefix.size()), alone))
      return true;
  }
  return false;
}

// A file that a pointer names must stay; a pointer that cannot be read protects nothing.
std::string pointed(const std::string& root, const char* which) {
  try {
    return read_pointer(root, which).value_or("");
  } catch (const Error& e) {
    if (e.code() != ErrorCode::corrupt) throw;
    return {};
  }
}

}  // namespace

void remove_leftovers(FileSystem& files, const std::string& root, bool alone) {
  std::vector<std::string> unneeded;
  for (const auto& name : names_in(root)) {
    const std::string path = root + "/" + name;
    const std::string replaced = step_of_leftover(name, ".old-", alone);
    if (!replaced.empty() && !exists(root + "/" + replaced))
      files.rename(path, root + "/" + replaced);
    else if (!replaced.empty() || !step_of_leftover(name, ".tmp-", alone).empty() ||
             !step_of_leftover(name, ".gone-", alone).empty() ||
             (is_pointer_leftover(name, alone) && !is_folder(path)))
      unneeded.push_back(path);
  }
  if (unneeded.empty()) return;
  // Whoever left them may not have lived to make durable what took their place.
  files.sync_folder(root);
  for (const auto& path : unneeded)
    is_folder(path) ? remove_tree(files, path) : files.remove_file(path);
}

void remove_older(FileSystem& files, const std::string& root, std::int64_t step,
                  const CheckpointOptions& options) {
  std::vector<std::int64_t> steps;
  for (const auto& name : names_in(root))
    if (const auto s = parse_step_name(name); s && *s <= step) steps.push_back(*s);
  std::sort(steps.rbegin(), steps.rend());
  const std::string best = pointed(root, kBest), latest = pointed(root, kLatest);
  // Under other names first, and these durable: a removal that is cut short, whatever of it reaches
  // the disk, must not leave half a checkpoint.
  std::vector<std::string> gone;
  for (std::size_t i = static_cast<std::size_t>(options.keep); i < steps.size(); ++i) {
    const std::string name = step_folder_name(steps[i]);
    if (options.keep_every > 0 && steps[i] % options.keep_every == 0) continue;
    if (name == best || name == latest || !is_folder(root + "/" + name)) continue;
    gone.push_back(fmt::format("{}/.gone-{}.{}", root, name, ::getpid()));
    files.rename(root + "/" + name, gone.back());
  }
  if (gone.empty()) return;
  files.sync_folder(root);
  for (const auto& folder : gone) remove_tree(files, folder);
}

}  // namespace gigatrain
