// Saving while training goes on: the bytes of a save that is waited for, whatever fails or is
// killed beside it, and one at a time.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <functional>
#include <future>
#include <thread>

#include "gigatrain/base/error.h"
#include "kernels/simt/simt_queue.h"
#include "support/save_run.h"
#include "support/tiny_run.h"
#include "support/watched_disk.h"
#include "train/run_checkpoints.h"
#include "train/run_state.h"
#include "train/temporary_folder.h"

using namespace gigatrain;
using Catch::Contains;
using gigatrain::testing::TemporaryFolder;
using test::state_of;
using test::TinyOptions;
using test::TinyRun;

namespace {

// Does something before each operation of a save, counted from 1.
class Disk final : public gigatrain::testing::WatchedDisk {
 public:
  explicit Disk(std::function<void(int)> before = [](int) {}) : before_(std::move(before)) {}

 private:
  void before(const std::string& what, const std::string&) override {
    if (is_part_of_a_save(what)) before_(++count_);
  }
  std::function<void(int)> before_;
  int count_ = 0;
};

struct TestData {
  test::TempFolder folder;
  std::string path = folder / "train.bin";
  TestData() { test::write_shard(path, 4000, TinyRun::kVocab); }
};

std::string save(FileSystem& files, TinyRun& run, const std::string& root) {
  return test::save_run(root, *run.model, *run.optimizer, state_of(run), nullptr, files);
}

// One save of what `run` is now.
struct OneSave {
  OneSave(FileSystem& files, TinyRun& run, const std::string& root, int keep = 2)
      : save(files, *alone,
             {.root = root,
              .texts = texts_of(*run.model, nullptr, state_of(run)),
              .options = {.keep = keep}},
             snapshot.take(*run.model, *run.optimizer, *alone)) {}
  std::unique_ptr<Communicator> alone = make_local_communicator();
  StateSnapshot snapshot;
  CheckpointSave save;
};

void check_same_files(const std::string& a, const std::string& b) {
  REQUIRE(names_in(a) == names_in(b));
  for (const auto& name : names_in(a)) {
    INFO(name);
    CHECK(read_small_file(a + "/" + name, 1 << 24) == read_small_file(b + "/" + name, 1 << 24));
  }
}

// Saves what `run` is now in the background, trains it on, and only then lets the disk work.
std::string save_while_training(TinyRun& run, const std::string& root, std::int64_t until) {
  std::promise<void> trained;
  const auto gate = trained.get_future().share();
  Disk disk([gate](int) { gate.wait(); });
  OneSave one(disk, run, root);
  run.losses_to(until);
  CHECK_FALSE(one.save.poll());
  trained.set_value();
  one.save.wait();
  return one.save.written().folder;
}

}  // namespace

TEST_CASE("background save: the files are those of a save that is waited for",
          "[unit][train][ckpt][threads]") {
  const TestData shard;
  const TinyOptions kinds[] = {{.threads = 2},
                               {.threads = 2,
                                .compute = DType::bf16,
                                .params = DType::bf16,
                                .llama = true,
                                .optimizer = {.name = "adamw8bit", .ema = 0.9f, .seed = 5}},
                               {.optimizer = {.name = "sgd", .momentum = 0, .seed = 5}}};
  for (const auto& options : kinds) {
    INFO(options.optimizer.name);
    const TemporaryFolder root;
    Disk disk;
    TinyRun run(shard.path, options);
    run.losses_to(2);
    const std::string waited = save(disk, run, root / "waited");
    check_same_files(waited, save_while_training(run, root / "background", 4));
    CHECK(verify_checkpoint(root / "background").whole());
  }
}

TEST_CASE("background save: so are those from a queue of its own", "[simt][runs][ckpt]") {
  const TestData shard;
  const TemporaryFolder root;
  const auto device = simt_device();
  TinyRun run(shard.path, {.batch = {.seq_len = 12}}, *device);
  Disk disk;
  const std::string waited = save(disk, run, root / "waited");
  check_same_files(waited, save_while_training(run, root / "background", 1));
}

TEST_CASE("background save: a run continued from one ends with the same digest",
          "[unit][train][ckpt][bits]") {
  const TestData shard;
  const TemporaryFolder root;
  TinyRun unbroken(shard.path, {.threads = 2}), resumed(shard.path, {.threads = 1});
  unbroken.losses_to(3);
  const Checkpoint saved = Checkpoint::open(save_while_training(unbroken, root / "ckpt", 6));
  restore(saved, *resumed.model, *resumed.optimizer);
  resumed.trainer->resume_at(saved.state().step, saved.state().tokens);
  CHECK(resumed.digest_after(6) == unbroken.digest());
}

TEST_CASE("background save: the memory has a name and is kept", "[unit][train][ckpt][memory]") {
  const TestData shard;
  TinyRun run(shard.path, {});
  run.losses_to(2);
  StateSnapshot snapshot;
  const auto alone = make_local_communicator();
  const auto stats = [&] { return run.device.allocator().stats(); };
  snapshot.take(*run.model, *run.optimizer, *alone);
  const auto now = [&](Purpose p) { return stats().by_purpose[static_cast<std::size_t>(p)].now; };
  CHECK(now(Purpose::data) >= now(Purpose::optimizer));
  const std::int64_t allocations = stats().system_allocations;
  for (int i = 3; i < 6; ++i) {
    run.losses_to(i);
    snapshot.take(*run.model, *run.optimizer, *alone);
  }
  CHECK(stats().system_allocations == allocations);
}

namespace {

// RunCheckpoints on a tiny run, and what it tells.
struct Saves {
  explicit Saves(const std::string& shard, Disk& disk, int keep = 2)
      : run(shard, {}),
        checkpoints({.root = folder / "ckpt",
                     .checkpoint = {.keep = keep},
                     .on_saved = [this](const auto& s) { saved.push_back(s.step); },
                     .on_warning = [this](const auto& text) { warnings.push_back(text); },
                     .files = &disk},
                    {*run.model, *run.optimizer, nullptr}) {}

  void train_and_save(std::int64_t step) {
    run.losses_to(step);
    checkpoints.save_in_background(state_of(run), false);
  }

  TemporaryFolder folder;
  TinyRun run;
  std::vector<std::int64_t> saved;
  std::vector<std::string> warnings;
  RunCheckpoints checkpoints;
};

}  // namespace

TEST_CASE("background save: a second one waits for the first and says so",
          "[unit][train][ckpt][threads]") {
  const TestData shard;
  std::promise<void> opened;
  const auto gate = opened.get_future().share();
  Disk slow([gate](int) { gate.wait(); });
  Saves saves(shard.path, slow);
  saves.train_and_save(1);
  saves.run.losses_to(2);
  CHECK(saves.saved.empty());
  const std::jthread opener([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    opened.set_value();
  });
  saves.checkpoints.save_in_background(state_of(saves.run), false);
  REQUIRE(saves.warnings.size() == 1);
  CHECK_THAT(saves.warnings[0], Contains("saving step 2 waited") && Contains("step 1, which"));
  CHECK(saves.saved == std::vector<std::int64_t>{1});
  saves.checkpoints.settle();
  CHECK(saves.saved == std::vector<std::int64_t>{1, 2});
  CHECK(list_checkpoints(saves.folder.path()).size() == 2);
}

TEST_CASE("background save: one that is waited for follows one that is not",
          "[unit][train][ckpt]") {
  const TestData shard;
  Disk disk;
  Saves saves(shard.path, disk);
  saves.train_and_save(1);
  saves.run.losses_to(2);
  saves.checkpoints.save(state_of(saves.run), true);
  CHECK(saves.saved == std::vector<std::int64_t>{1, 2});
  const auto listed = list_checkpoints(saves.folder.path());
  REQUIRE(listed.size() == 2);
  CHECK((listed[1].latest && listed[1].best));
}

TEST_CASE(
    "background save: whatever fails is told between steps, training goes on, the older one stays",
    "[unit][train][ckpt]") {
  const TestData shard;
  for (const char* reason : {"No space left on device", "Input/output error"})
    for (int at = 1;; ++at) {
      std::atomic<int> fail_at = 0, done = 0;
      Disk disk([&](int) {
        if (fail_at > 0 && ++done == fail_at) throw Error(ErrorCode::io, reason, "free space");
      });
      Saves saves(shard.path, disk, 1);
      saves.train_and_save(1);
      saves.checkpoints.settle();
      fail_at = at;
      saves.train_and_save(2);
      saves.run.losses_to(3);  // training goes on
      INFO(reason << " at operation " << at);
      saves.checkpoints.settle();
      const std::string told = saves.warnings.empty() ? "" : saves.warnings.front();
      const Checkpoint kept = newest_whole(saves.folder.path());
      if (told.empty()) {
        CHECK(kept.state().step == 2);
        CHECK(list_checkpoints(saves.folder.path()).size() == 1);
        break;
      }
      CHECK_THAT(told,
                 Contains(reason) && Contains("was not saved") && Contains("next: free space"));
      CHECK(verify_checkpoint(kept.folder()).whole());
      saves.checkpoints.settle();
      CHECK(saves.warnings.size() == 1);  // told once
      saves.train_and_save(4);            // and the next one is made
      saves.checkpoints.settle();
      CHECK(newest_whole(saves.folder.path()).state().step == 4);
    }
}

TEST_CASE("background save: killed at any operation, the older one or this one is whole",
          "[exhaustive][train][ckpt]") {
  const TestData shard;
  const TemporaryFolder root;
  TinyRun run(shard.path, {});
  run.losses_to(1);
  Disk quick;
  const std::string first = save(quick, run, root / "first");
  run.losses_to(2);
  bool killed = true;
  for (int at = 1; killed; ++at) {
    const TemporaryFolder folder;
    std::filesystem::copy(root / "first", folder / "ckpt",
                          std::filesystem::copy_options::recursive);
    const pid_t child = ::fork();
    if (child == 0) {
      Disk disk([at](int operation) {
        if (operation == at) ::kill(::getpid(), SIGKILL);
      });
      OneSave one(disk, run, folder / "ckpt", 1);
      one.save.wait();
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    killed = WIFSIGNALED(status);
    INFO("operation " << at);
    std::vector<std::string> warnings;
    const Checkpoint kept = newest_whole(folder.path(), &warnings);
    CHECK(warnings.empty());
    CHECK(kept.state().step >= (killed ? 1 : 2));
    CHECK(verify_checkpoint(kept.folder()).whole());
  }
}
