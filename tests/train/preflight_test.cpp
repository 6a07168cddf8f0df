// A disk that cannot hold checkpoints is found before the training, and said precisely.
#include "train/preflight.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "gigatrain/base/error.h"
#include "gigatrain/train/run_folder.h"
#include "support/watched_disk.h"
#include "train/checkpoint_files_internal.h"
#include "train/temporary_folder.h"
#include "train/tiny_checkpoint.h"

using namespace gigatrain;
using namespace gigatrain::testing;
using Catch::Contains;

namespace {

// Fails at one operation, by number from 1.
class FailingDisk final : public WatchedDisk {
 public:
  explicit FailingDisk(int at) : at_(at) {}
  int calls() const { return calls_; }

 private:
  void before(const std::string& what, const std::string& path) override {
    if (is_part_of_a_save(what) && ++calls_ == at_)
      throw Error(ErrorCode::io, "cannot " + what + " '" + path + "'", "do this");
  }
  int at_, calls_ = 0;
};

// Keeps something else than what it was given.
class LyingDisk final : public FileSystem {
  void write(int file, const void*, std::size_t bytes, const std::string& path) override {
    const std::string other(bytes, 'y');
    FileSystem::write(file, other.data(), bytes, path);
  }
};

}  // namespace

TEST_CASE("preflight: each thing that a save needs is tried, and a failure leaves nothing",
          "[unit]") {
  for (int at = 1;; ++at) {
    const TemporaryFolder ckpt;
    FailingDisk files(at);
    std::string told;
    try {
      try_disk(files, ckpt.path(), 0);
    } catch (const Error& e) {
      told = e.what();
    }
    CHECK(names_in(ckpt.path()).empty());
    if (told.empty()) break;
    INFO(at);
    CHECK_THAT(told,
               Contains(ckpt.path()) && Contains("before the training") && Contains("do this"));
    CHECK(at < 9);
  }
  FailingDisk counted(0);
  const TemporaryFolder ckpt;
  try_disk(counted, ckpt.path(), 0);
  CHECK(counted.calls() == 8);  // a save's, and a sync of what was removed
}

TEST_CASE("preflight: what was written is read again", "[unit]") {
  const TemporaryFolder ckpt;
  LyingDisk files;
  CHECK_THROWS_WITH(try_disk(files, ckpt.path(), 0), Contains("does not hold what was written"));
}

TEST_CASE("preflight: what an earlier one left, or somebody put there, goes", "[unit]") {
  const TemporaryFolder ckpt;
  ckpt.write("precious", "x");
  std::filesystem::create_directory(ckpt / ".probe.tmp");
  ckpt.write(".probe.tmp/data", "half");
  std::filesystem::create_symlink(ckpt / "precious", ckpt / ".probe");
  try_disk(FileSystem::real(), ckpt.path(), 0);
  CHECK(names_in(ckpt.path()) == std::vector<std::string>{"precious"});
  CHECK(ckpt.read("precious") == "x");
}

TEST_CASE("preflight: file systems that promise less are named", "[unit]") {
  CHECK_THAT(weaker_promise(0x6969), Contains("NFS"));
  CHECK_THAT(weaker_promise(0x01021994), Contains("tmpfs"));
  CHECK(weaker_promise(0xEF53).empty());  // ext4
  CHECK(disk_warning("/no/such/folder").empty());
  CHECK_THAT(disk_warning("/proc"), Catch::Equals(""));
}

TEST_CASE("run folder: what a process of any number left is taken care of at the start", "[unit]") {
  const TemporaryFolder dir;
  RunFolder::create(dir.path(), "r", {});
  const std::string ckpt = dir / "r/ckpt";
  TinyState tiny;
  write_checkpoint(ckpt, tiny.at(1));
  // Number 1 is always somebody's, here or on another host.
  std::filesystem::rename(ckpt + "/step_00000001", ckpt + "/.old-step_00000001.1");
  std::filesystem::create_directory(ckpt + "/.tmp-step_00000002.1");
  RunFolderOptions resume;
  resume.mode = RunMode::resume;
  RunFolder::create(dir.path(), "r", resume);
  CHECK(names_in(ckpt) == std::vector<std::string>{"LATEST", "step_00000001"});
  CHECK(newest_whole(ckpt).state().step == 1);
}
