#include "gigatrain/train/run_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "checkpoint_files_internal.h"
#include "gigatrain/base/error.h"
#include "gigatrain/version.h"
#include "strict_json.h"
#include "train/preflight.h"
#include "train/run_identity.h"
#include "train/run_log.h"

namespace gigatrain {

// Released by the kernel when the process ends, however it ends.
struct RunFolder::Lock {
  int file = -1;
  ~Lock() { ::close(file); }
};

namespace {

constexpr const char* kRun = "/run.json";
constexpr const char* kConfig = "/config.toml";
constexpr const char* kLock = "/.lock";
constexpr const char* kRequest = "/SAVE";

void check_name(const std::string& name) {
  const bool escapes = name.empty() || name.front() == '.' || name.size() > 200 ||
                       name.find('/') != std::string::npos || printable(name) != name;
  if (escapes)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("run.name must be a plain folder name, got '{}'", printable(name)),
                "choose letters, digits, '-' and '_'");
}

// Every missing folder of the path, from the top.
void make_folders(FileSystem& files, const std::string& path) {
  if (path == "." || path == "/" || path.empty()) return;
  if (::access(path.c_str(), F_OK) == 0) return;
  make_folders(files, parent_of(path));
  files.make_folder(path);
  files.sync_folder(parent_of(path));
}

std::string path_of(const std::string& dir, const std::string& name) {
  return (dir.empty() ? "." : dir) + "/" + name;
}

std::string host_name() {
  utsname names{};
  return ::uname(&names) == 0 ? names.nodename : "unknown";
}

// Who holds the lock, as its holder wrote it.
std::string owner_in(int file) {
  std::array<char, 200> text{};
  const ssize_t n = ::pread(file, text.data(), text.size(), 0);
  return n > 0 ? printable(std::string(text.data(), static_cast<std::size_t>(n)))
               : "a process that has not said which";
}

// For the message of whoever comes second; without it the lock holds just as well.
void sign(int file) {
  const std::string owner = fmt::format("process {} on {}", ::getpid(), host_name());
  if (::ftruncate(file, 0) != 0 ||
      ::pwrite(file, owner.data(), owner.size(), 0) != static_cast<ssize_t>(owner.size()))
    return;
}

std::shared_ptr<RunFolder::Lock> take_lock(const std::string& folder) {
  const std::string path = folder + kLock;
  auto lock = std::make_shared<RunFolder::Lock>();
  lock->file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
  if (lock->file < 0)
    throw Error(
        ErrorCode::io, fmt::format("cannot write '{}': {}", path, std::strerror(errno)),
        fmt::format("make '{}' writable, or choose another folder with run.dir=FOLDER", folder));
  if (::flock(lock->file, LOCK_EX | LOCK_NB) != 0)
    throw Error(ErrorCode::io,
                errno == EWOULDBLOCK
                    ? fmt::format("another process is training into '{}': {} holds its lock",
                                  folder, owner_in(lock->file))
                    : fmt::format("cannot lock '{}': {}", path, std::strerror(errno)),
                "wait for it or stop it, or give this run another name with run.name=NAME");
  sign(lock->file);
  return lock;
}

constexpr const char* kNoCheckpoint = "no checkpoint yet";

std::string newest_step(const std::string& folder) {
  if (!leads_to_folder(folder + "/ckpt")) return kNoCheckpoint;
  const auto entries = list_checkpoints(folder);
  return entries.empty() ? kNoCheckpoint : fmt::format("step {}", entries.back().step);
}

// A folder that holds a run is entered by that run only, to continue it.
void refuse_other_run(const std::string& folder, const RunFolderOptions& options) {
  std::string differences;
  if (exists(folder + kConfig))
    for (const auto& line :
         identity_differences(read_small_file(folder + kConfig, 1 << 24), options.config_toml))
      differences += "\n  " + line;
  if (!differences.empty())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("'{}' already holds another run ({}):{}", folder, newest_step(folder),
                            differences),
                "choose another name with run.name=NAME; --overwrite deletes the run there");
  if (options.mode == RunMode::fresh && newest_step(folder) != kNoCheckpoint)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("'{}' already holds this run ({})", folder, newest_step(folder)),
                "continue it, or begin again with --overwrite");
}

// What a run writes, in the order of removal; a user's own files stay. run.json goes last: a
// removal that is cut short leaves a folder that still counts as holding a run.
const std::array kOurs = {"ckpt",     "logs", "trace",       "metrics.jsonl", "report.html",
                          kEventFile, "SAVE", "config.toml", "run.json"};

void remove_run(FileSystem& files, const std::string& folder) {
  for (const std::string name : kOurs) {
    const std::string path = folder + "/" + name;
    if (is_folder(path))
      remove_tree(files, path);
    else if (exists(path))
      files.remove_file(path);
  }
  files.sync_folder(folder);
}

// What replace_file() leaves when its process is killed.
bool is_litter(const std::string& name) {
  return name.starts_with("run.json.tmp.") || name.starts_with("config.toml.tmp.");
}

void remove_litter(FileSystem& files, const std::string& folder) {
  for (const auto& name : names_in(folder))
    if (is_litter(name)) files.remove_file(folder + "/" + name);
}

bool holds_hidden_only(const std::string& folder) {
  const auto names = names_in(folder);
  return std::all_of(names.begin(), names.end(), [](const auto& name) { return name[0] == '.'; });
}

// A folder without run.json may hold only what a run makes before it: hidden files, config.toml,
// logs/ and ckpt/ with hidden files at most.
void refuse_foreign_files(const std::string& folder) {
  for (const auto& name : names_in(folder)) {
    const std::string path = folder + "/" + name;
    const bool empty =
        (name == "logs" || name == "ckpt") && leads_to_folder(path) && holds_hidden_only(path);
    if (name.front() == '.' || name.starts_with("config.toml") || is_litter(name) || empty)
      continue;
    throw Error(ErrorCode::invalid_argument,
                fmt::format("'{}' holds '{}' but no run.json: it is not a run folder", folder,
                            printable(name)),
                "choose another name with run.name=NAME");
  }
}

void enter(FileSystem& files, const std::string& folder, const RunFolderOptions& options) {
  const bool holds_run = exists(folder + kRun);
  if (options.mode == RunMode::resume && !holds_run)
    throw Error(ErrorCode::invalid_argument, fmt::format("'{}' holds no run to continue", folder),
                "begin it without resuming");
  if (options.mode != RunMode::overwrite && holds_run) refuse_other_run(folder, options);
  if (options.mode == RunMode::fresh && !holds_run) refuse_foreign_files(folder);
  if (options.mode == RunMode::overwrite) remove_run(files, folder);
}

std::string run_record(const std::string& name, const RunFolderOptions& options) {
  nlohmann::ordered_json json = {{"name", name},
                                 {"library_version", GIGATRAIN_VERSION},
                                 {"checkpoint_version", kCheckpointVersion},
                                 {"metrics_version", kMetricsVersion},
                                 {"compiler", __VERSION__},
                                 {"hosts", {host_name()}}};
  for (const auto& [key, value] : options.record) json[key] = value;
  using Handler = nlohmann::ordered_json::error_handler_t;
  return json.dump(2, ' ', false, Handler::replace) + "\n";
}

}  // namespace

RunFolder RunFolder::joined(const std::string& dir, const std::string& name) {
  RunFolder run;
  run.path_ = path_of(dir, name);
  return run;
}

RunFolder RunFolder::create(const std::string& dir, const std::string& name,
                            const RunFolderOptions& options) {
  check_name(name);
  FileSystem& files = FileSystem::real();
  RunFolder run;
  run.path_ = path_of(dir, name);
  if (options.mode == RunMode::resume && !exists(run.path_ + kRun))
    enter(files, run.path_, options);
  make_folders(files, run.path_);
  run.lock_ = take_lock(run.path_);
  enter(files, run.path_, options);
  remove_litter(files, run.path_);
  make_folders(files, run.path_ + "/logs");
  if (leads_to_folder(run.checkpoints()))
    remove_leftovers(files, run.checkpoints(), true);  // the lock is ours
  try_disk(files, run.checkpoints(), options.bytes_needed);
  run.warning_ = disk_warning(run.checkpoints());
  replace_file(files, run.path_ + kConfig, options.config_toml);
  replace_file(files, run.path_ + kRun, run_record(name, options));
  return run;
}

bool RunFolder::take_request() const {
  const std::string path = path_ + kRequest;
  if (::access(path.c_str(), F_OK) != 0) return false;
  FileSystem::real().remove_file(path);
  return true;
}

void request_checkpoint(const std::string& run_folder) {
  if (!exists(run_folder + kRun))
    throw Error(ErrorCode::io, fmt::format("'{}' is no run folder: it has no run.json", run_folder),
                "give the folder of a run that is training, runs/NAME");
  if (!exists(run_folder + kRequest)) write_file(FileSystem::real(), run_folder + kRequest, "");
}

std::string RunFolder::log(int rank) const {
  return fmt::format("{}/logs/rank_{:05d}.log", path_, rank);
}
std::string RunFolder::trace(int rank) const {
  return fmt::format("{}/trace/rank_{:05d}.json", path_, rank);
}

}  // namespace gigatrain
