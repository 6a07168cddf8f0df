// The run folder: what it makes, what it refuses, its lock, and a disk found bad before training.
#include "gigatrain/train/run_folder.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "gigatrain/base/error.h"
#include "gigatrain/train/config.h"
#include "train/run_identity.h"
#include "train/temporary_folder.h"

using namespace gigatrain;
using gigatrain::testing::TemporaryFolder;

namespace {

RunFolderOptions options(RunMode mode = RunMode::fresh,
                         const std::string& config = "[optim]\nlr = 0.1\n") {
  RunFolderOptions o;
  o.mode = mode;
  o.config_toml = config;
  return o;
}

bool has(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

// "" if it was made.
std::string refusal(const std::string& dir, const std::string& name, const RunFolderOptions& o) {
  try {
    RunFolder::create(dir, name, o);
    return "";
  } catch (const Error& e) {
    CHECK(!e.next().empty());
    return e.message();
  }
}

// Runs in a child of another user, since root may write everywhere. 0: as expected.
int as_nobody(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::getuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) ::_exit(99);
    ::_exit(body());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

}  // namespace

TEST_CASE("run folder: what a new one holds", "[unit]") {
  const TemporaryFolder dir;
  auto o = options();
  o.record = {{"seed", "7"}};
  const RunFolder run = RunFolder::create(dir / "deep/runs", "first", o);
  CHECK(run.path() == dir / "deep/runs/first");
  CHECK(run.metrics() == run.path() + "/metrics.jsonl");
  CHECK(run.log() == run.path() + "/logs/rank_00000.log");
  CHECK(run.log(12) == run.path() + "/logs/rank_00012.log");
  CHECK(has(run.checkpoints()));
  CHECK(has(run.path() + "/logs"));
  CHECK(dir.read("deep/runs/first/config.toml") == options().config_toml);
  const auto record = nlohmann::json::parse(dir.read("deep/runs/first/run.json"));
  CHECK(record["name"] == "first");
  CHECK(record["seed"] == "7");
  CHECK(record["hosts"].is_array());
  CHECK(record["library_version"].is_string());
  CHECK(std::filesystem::is_empty(run.checkpoints()));
}

TEST_CASE("run folder: a folder that holds another run is refused, and nothing in it changes",
          "[unit]") {
  const TemporaryFolder dir;
  RunFolder::create(dir.path(), "r", options());
  dir.write("r/metrics.jsonl", "{}\n");
  const std::string record = dir.read("r/run.json");
  for (const auto mode : {RunMode::fresh, RunMode::resume})
    CHECK_THAT(refusal(dir.path(), "r", options(mode, "[optim]\nlr = 0.2\n")),
               Catch::Contains("another run") && Catch::Contains("no checkpoint yet") &&
                   Catch::Contains("optim.lr was 0.1, is 0.2"));
  CHECK(dir.read("r/config.toml") == options().config_toml);
  CHECK(dir.read("r/run.json") == record);
  CHECK(dir.read("r/metrics.jsonl") == "{}\n");
}

TEST_CASE("run folder: the same run may begin again until it has saved", "[unit]") {
  const TemporaryFolder dir;
  RunFolder::create(dir.path(), "r", options());
  CHECK(refusal(dir.path(), "r", options()).empty());
  ::mkdir((dir / "r/ckpt/step_00000001").c_str(), 0755);
  dir.write("r/ckpt/step_00000001/manifest.json", "{}");
  CHECK_THAT(refusal(dir.path(), "r", options()),
             Catch::Contains("already holds this run") && Catch::Contains("step 1"));
}

TEST_CASE("run folder: a folder of other files is no run folder", "[unit]") {
  const TemporaryFolder dir;
  ::mkdir((dir / "thesis").c_str(), 0755);
  dir.write("thesis/chapter.tex", "years of work");
  CHECK_THAT(refusal(dir.path(), "thesis", options()), Catch::Contains("chapter.tex"));
  RunFolder::create(dir.path(), "thesis", options(RunMode::overwrite));
  CHECK(dir.read("thesis/chapter.tex") == "years of work");
}

TEST_CASE("run folder: resuming keeps what is there, and needs a run", "[unit]") {
  const TemporaryFolder dir;
  CHECK_THAT(refusal(dir.path(), "r", options(RunMode::resume)), Catch::Contains("no run"));
  CHECK(!has(dir / "r"));
  RunFolder::create(dir.path(), "r", options());
  dir.write("r/metrics.jsonl", "{}\n");
  dir.write("r/ckpt/LATEST", "step_00000001\n");
  RunFolder::create(dir.path(), "r",
                    options(RunMode::resume, options().config_toml + "[train]\nsteps = 3\n"));
  CHECK(dir.read("r/metrics.jsonl") == "{}\n");
  CHECK(dir.read("r/ckpt/LATEST") == "step_00000001\n");
  CHECK(dir.read("r/config.toml") == options().config_toml + "[train]\nsteps = 3\n");
}

TEST_CASE("run folder: overwriting removes the run, and a user's files stay", "[unit]") {
  const TemporaryFolder dir;
  RunFolder::create(dir.path(), "r", options());
  for (const char* name : {"r/metrics.jsonl", "r/ckpt/LATEST", "r/logs/rank_00000.log", "r/notes"})
    dir.write(name, "x");
  RunFolder::create(dir.path(), "r", options(RunMode::overwrite, "a = 4\n"));
  for (const char* name : {"r/metrics.jsonl", "r/ckpt/LATEST", "r/logs/rank_00000.log"})
    CHECK(!has(dir / name));
  CHECK(dir.read("r/notes") == "x");
  CHECK(dir.read("r/config.toml") == "a = 4\n");
}

TEST_CASE("run folder: names that could leave the folder are refused", "[unit]") {
  const TemporaryFolder dir;
  for (const std::string name : {"", ".", "..", "../x", "/x", "a/b", ".hidden", "line\nbreak"}) {
    INFO("'" << name << "'");
    CHECK_THAT(refusal(dir / "runs", name, options()), Catch::Contains("plain folder name"));
  }
  CHECK_THAT(refusal(dir / "runs", std::string(300, 'x'), options()), Catch::Contains("plain"));
  CHECK(!has(dir / "runs"));
}

TEST_CASE("run folder: two at once in one folder are refused", "[unit]") {
  const TemporaryFolder dir;
  {
    const RunFolder first = RunFolder::create(dir.path(), "r", options());
    for (const auto mode : {RunMode::fresh, RunMode::resume, RunMode::overwrite})
      CHECK_THAT(refusal(dir.path(), "r", options(mode)), Catch::Contains("another process"));
    const RunFolder copy = first;  // holds the same lock
    CHECK(refusal(dir.path(), "other", options()).empty());
  }
  CHECK(refusal(dir.path(), "r", options(RunMode::resume)).empty());
}

TEST_CASE("run folder: a killed process leaves no lock behind", "[unit]") {
  const TemporaryFolder dir;
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const RunFolder run = RunFolder::create(dir.path(), "r", options());
    if (::write(ready[1], "x", 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  CHECK_THAT(refusal(dir.path(), "r", options(RunMode::resume)),
             Catch::Contains("another process"));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK(refusal(dir.path(), "r", options(RunMode::resume)).empty());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_CASE("run folder: too little space is found before training", "[unit]") {
  const TemporaryFolder dir;
  auto o = options();
  o.bytes_needed = std::int64_t{1} << 60;
  CHECK_THAT(refusal(dir.path(), "r", o), Catch::Contains("are free"));
  CHECK(!has(dir / "r/run.json"));
  CHECK(refusal(dir.path(), "r", options()).empty());  // what was begun is no obstacle
}

TEST_CASE("run folder: a read-only disk is found before training", "[unit]") {
  const TemporaryFolder dir;
  ::chmod(dir.path().c_str(), 0555);
  const int result = as_nobody([&] {
    try {
      RunFolder::create(dir.path(), "r", options());
      return 1;
    } catch (const Error& e) {
      const bool named = std::string(e.what()).find(dir.path()) != std::string::npos;
      return e.code() == ErrorCode::io && named && !e.next().empty() ? 0 : 2;
    }
  });
  ::chmod(dir.path().c_str(), 0755);
  CHECK(result == 0);
}

TEST_CASE("run folder: a file or a link in its place is refused", "[unit]") {
  const TemporaryFolder dir;
  dir.write("file", "x");
  CHECK(!refusal(dir.path(), "file", options()).empty());
  CHECK(dir.read("file") == "x");
  // The lock and the configuration are never written through a link that someone put there.
  dir.write("precious", "x");
  for (const std::string name : {"/.lock", "/config.toml", "/run.json"}) {
    const std::string run = "r" + std::to_string(name.size());
    ::mkdir((dir / run).c_str(), 0755);
    REQUIRE(::symlink((dir / "precious").c_str(), (dir / (run + name)).c_str()) == 0);
    refusal(dir.path(), run, options());
    CHECK(dir.read("precious") == "x");
  }
}

TEST_CASE("a run of a version that did not know a key yet is the same run", "[unit][train]") {
  Config config;
  const std::string now = to_toml(config);
  std::string before = now;
  const auto at = before.find("batch_ramp");
  REQUIRE(at != std::string::npos);
  before.erase(at, before.find('\n', at) + 1 - at);
  CHECK(identity_differences(before, now).empty());
  config.train.batch_ramp = {"0: 1", "5: 2"};
  CHECK(identity_differences(before, to_toml(config)).size() == 1);
}

TEST_CASE("run folder: what a process killed at its start left is taken away", "[unit]") {
  const TemporaryFolder root;
  std::filesystem::create_directories(root / "r");
  for (const char* name : {"r/run.json.tmp.1", "r/config.toml.tmp.22"}) root.write(name, "half");
  const auto run = RunFolder::create(root.path(), "r", {});
  CHECK_FALSE(std::filesystem::exists(root / "r/run.json.tmp.1"));
  CHECK_FALSE(std::filesystem::exists(root / "r/config.toml.tmp.22"));
}
