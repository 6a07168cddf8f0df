// Listing the checkpoints of a run, and finding the newest whole one.
#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "checkpoint_files_internal.h"
#include "gigatrain/base/error.h"
#include "together.h"

namespace gigatrain {

std::vector<CheckpointEntry> list_checkpoints(const std::string& path) {
  const std::string root = resolve_root(path);
  const auto pointer = [&](const char* which) -> std::string {
    try {
      return read_pointer(root, which).value_or("");
    } catch (const Error&) {
      return {};  // a damaged pointer marks nothing; opening through it reports it
    }
  };
  const std::string latest = pointer(kLatest), best = pointer(kBest);
  std::vector<CheckpointEntry> entries;
  for (const auto& name : names_in(root))
    if (const auto step = parse_step_name(name); step && is_folder(root + "/" + name))
      entries.push_back({name, root + "/" + name, *step, name == latest, name == best});
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.step < b.step; });
  return entries;
}

namespace {

// It is not damaged: to fall back to an older one would lose steps.
void refuse_other_version(const std::string& folder) {
  try {
    read_manifest(folder);
  } catch (const OtherVersion&) {
    throw;
  } catch (const Error&) {
  }
}

// LATEST's first: a run that fell back to an older checkpoint has newer, abandoned ones.
std::vector<std::string> newest_first(const std::string& path) {
  auto entries = list_checkpoints(path);
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return a.latest != b.latest ? a.latest : a.step > b.step;
  });
  std::vector<std::string> folders;
  for (const auto& entry : entries) folders.push_back(entry.folder);
  if (!folders.empty()) refuse_other_version(folders.front());
  return folders;
}

}  // namespace

Checkpoint newest_whole(const std::string& path, std::vector<std::string>* warnings,
                        Communicator* group) {
  const auto alone = group ? nullptr : make_local_communicator();
  Communicator& ranks = group ? *group : *alone;
  // Rank 0's list: another rank may see an older one of a file system of many hosts.
  std::istringstream folders(
      on_rank_0(ranks, [&] { return fmt::format("{}", fmt::join(newest_first(path), "\n")); }));
  int tried = 0;
  for (std::string folder; std::getline(folders, folder); ++tried) {
    Checkpoint opened;
    try {
      together(ranks, [&] {
        opened = Checkpoint::open(folder, {.reader = ranks.rank(), .readers = ranks.size()});
        return std::string();
      });
      return opened;
    } catch (const Error& e) {
      if (e.code() == ErrorCode::communication || e.code() == ErrorCode::timeout) throw;
      if (warnings)
        warnings->push_back(fmt::format("skipped damaged checkpoint {}: {}",
                                        folder.substr(folder.find_last_of('/') + 1), e.message()));
    }
  }
  throw Error(ErrorCode::corrupt,
              fmt::format("'{}' holds {} checkpoints, none of them whole", path, tried),
              tried == 0 ? "`gigatrain train CONFIG --overwrite` begins again"
                         : "`gigatrain ckpt verify FOLDER` says what is damaged");
}

}  // namespace gigatrain
