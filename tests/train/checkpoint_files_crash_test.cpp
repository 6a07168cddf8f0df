// The commit protocol: a save that fails or is killed at any of its operations on the disk loses
// nothing that was there, and the next save cleans up.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <functional>

#include "gigatrain/base/error.h"
#include "support/watched_disk.h"
#include "train/checkpoint_files_internal.h"
#include "train/tiny_checkpoint.h"

using namespace gigatrain;
using namespace gigatrain::testing;
using Catch::Contains;

namespace {

// Records every operation, and before number `stop_at` (from 1) does `stop`.
class Recorder final : public WatchedDisk {
 public:
  Recorder(std::function<void()> stop = {}, int stop_at = 0)
      : stop_(std::move(stop)), stop_at_(stop_at) {}

  bool exchange(const std::string& a, const std::string& b) override {
    if (can_exchange) return WatchedDisk::exchange(a, b);
    before("exchange", b);
    return false;
  }

  bool can_exchange = true;
  std::vector<std::string> log;  // "rename step_00000002"

 private:
  void before(const std::string& what, const std::string& path) override {
    log.push_back(what + " " + path.substr(path.find_last_of('/') + 1));
    if (static_cast<int>(log.size()) == stop_at_) stop_();
  }
  std::function<void()> stop_;
  int stop_at_;
};

void fail_with_no_space() {
  throw Error(ErrorCode::io, "No space left on device");
}

std::size_t find(const std::vector<std::string>& log, const std::string& entry) {
  for (std::size_t i = 0; i < log.size(); ++i)
    if (log[i].find(entry) == 0) return i;
  FAIL("'" << entry << "' was not done");
  return 0;
}

// Runs `work` in a child process that is expected to kill itself.
bool killed(const std::function<void()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      work();
    } catch (...) {
      ::_exit(1);
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

// Names that only a save in progress may leave.
std::vector<std::string> hidden(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& name : names_in(folder))
    if (name.front() == '.' || name.find(".tmp.") != std::string::npos) names.push_back(name);
  return names;
}

std::string save(const std::string& root, const CheckpointContents& contents, int keep = 2) {
  Recorder quick;
  return write_checkpoint(quick, root, contents, {.keep = keep}).folder;
}

}  // namespace

TEST_CASE("checkpoint: the order of operations is the protocol's", "[unit]") {
  const TemporaryFolder root;
  TinyState tiny;
  save(root / "ckpt", tiny.at(1));
  Recorder files;
  write_checkpoint(files, root / "ckpt", tiny.at(2), {.keep = 1, .is_best = true});
  const auto& log = files.log;
  const auto sync_manifest = find(log, "sync manifest.json");
  const auto sync_temporary = find(log, "sync folder .tmp-step_00000002");
  const auto rename = find(log, "rename step_00000002");
  const auto sync_parent = find(log, "sync folder ckpt");
  const auto latest = find(log, "rename LATEST"), best = find(log, "rename BEST");
  CHECK(sync_manifest < sync_temporary);
  CHECK(sync_temporary < rename);
  CHECK(rename < sync_parent);
  CHECK(sync_parent < find(log, "create LATEST"));
  CHECK(find(log, "sync LATEST.tmp") < latest);
  CHECK(latest < best);
  CHECK(best < find(log, "rename .gone-step_00000001"));
  // Every file that is created is synced.
  for (const auto& entry : log)
    if (entry.find("create ") == 0) find(log, "sync " + entry.substr(7));
}

TEST_CASE("checkpoint: a failure at any operation leaves the older one and no litter", "[unit]") {
  TinyState tiny;
  for (int at = 1;; ++at) {
    const TemporaryFolder root;
    const std::string ckpt = root / "ckpt";
    save(ckpt, tiny.at(1));
    Recorder files(fail_with_no_space, at);
    bool failed = false;
    try {
      write_checkpoint(files, ckpt, tiny.at(2), {.keep = 1});
    } catch (const Error& e) {
      failed = true;
      CHECK(e.code() == ErrorCode::io);
      CHECK_THAT(e.what(), Contains("while saving checkpoint"));
    }
    if (!failed) break;
    INFO("operation " << at << ": " << files.log.back());
    const Checkpoint kept = newest_whole(ckpt);
    CHECK(first_weight(kept) == static_cast<float>(kept.state().step));
    for (const auto& name : hidden(ckpt)) CHECK_THAT(name, Catch::StartsWith(".gone-"));
    save(ckpt, tiny.at(3), 1);
    CHECK(names_in(ckpt) == std::vector<std::string>{"LATEST", "step_00000003"});
  }
}

TEST_CASE("checkpoint: killed at any operation, the newest whole one loads", "[unit]") {
  TinyState tiny;
  for (int at = 1;; ++at) {
    const TemporaryFolder root;
    const std::string ckpt = root / "ckpt";
    save(ckpt, tiny.at(1));
    Recorder files([] { ::kill(::getpid(), SIGKILL); }, at);
    if (!killed([&] { write_checkpoint(files, ckpt, tiny.at(2), {.keep = 1}); })) break;
    INFO("operation " << at);
    std::vector<std::string> warnings;
    const Checkpoint kept = newest_whole(ckpt, &warnings);
    CHECK(warnings.empty());  // nothing half-written ever has a step's name
    CHECK(first_weight(kept) == static_cast<float>(kept.state().step));
    CHECK(first_weight(Checkpoint::open(ckpt)) == static_cast<float>(kept.state().step));
    save(ckpt, tiny.at(3), 1);
    CHECK(names_in(ckpt) == std::vector<std::string>{"LATEST", "step_00000003"});
  }
}

TEST_CASE("checkpoint: killed while a step is replaced, one of the two is whole", "[unit]") {
  TinyState tiny;
  const bool can_exchange = GENERATE(true, false);
  for (int at = 1;; ++at) {
    const TemporaryFolder root;
    const std::string ckpt = root / "ckpt";
    for (const int step : {1, 2}) save(ckpt, tiny.at(step));
    Recorder files([] { ::kill(::getpid(), SIGKILL); }, at);
    files.can_exchange = can_exchange;
    if (!killed([&] { write_checkpoint(files, ckpt, tiny.at(2), {.keep = 2}); })) break;
    INFO("operation " << at);
    std::vector<std::string> warnings;
    const Checkpoint kept = newest_whole(ckpt, &warnings);
    CHECK(warnings.empty());
    if (can_exchange) CHECK(kept.state().step == 2);
    remove_leftovers(FileSystem::real(), ckpt);
    CHECK(newest_whole(ckpt).state().step == 2);
    CHECK(hidden(ckpt).empty());
  }
}

TEST_CASE("checkpoint: a living process's temporary folder stays", "[unit]") {
  const TemporaryFolder root;
  TinyState tiny;
  const std::string ckpt = root / "ckpt";
  save(ckpt, tiny.at(1));
  const std::string alive = ".tmp-step_00000009." + std::to_string(::getppid());
  for (const std::string& name : {alive, std::string(".tmp-mine"), std::string(".old-x.1")})
    std::filesystem::create_directory(ckpt + "/" + name);
  save(ckpt, tiny.at(2));
  CHECK(names_in(ckpt) == std::vector<std::string>{".old-x.1", ".tmp-mine", alive, "LATEST",
                                                   "step_00000001", "step_00000002"});
}

TEST_CASE("checkpoint: errors of the system name the path and what to do", "[unit]") {
  CHECK_THROWS_WITH(FileSystem::real().create("/dev/full/x"), Contains("/dev/full/x"));
  FileSystem& files = FileSystem::real();
  const TemporaryFolder root;
  CHECK_THROWS_WITH(write_file(files, root / "no/such", ""), Contains("next: create the folder"));
  write_file(files, root / "x", "1");
  CHECK_THROWS_WITH(write_file(files, root / "x", "2"), Contains("exists"));
  replace_file(files, root / "x", "2");
  CHECK(root.read("x") == "2");
}
