// Checkpoints that several ranks write and any number of ranks reads: the same weights' files, the
// same state, one failure for all, the newest whole one for all.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <new>

#include "collectives/ranks.h"
#include "gigatrain/base/error.h"
#include "support/save_run.h"
#include "support/tiny_run.h"
#include "train/run_state.h"

using namespace gigatrain;
using namespace gigatrain::test;
using Catch::Matchers::Contains;

namespace {

struct Layout {
  int ranks, zero;
};

std::vector<Layout> all_layouts(const std::vector<int>& ranks) {
  std::vector<Layout> all;
  for (const int n : ranks)
    for (int zero = 0; zero <= 3; ++zero) all.push_back({n, zero});
  return all;
}

struct SharedData {
  TempFolder folder;
  std::string path = folder / "train.bin";
  SharedData() { write_shard(path, 4000, TinyRun::kVocab); }
};

TinyOptions options_of(bool llama, const std::string& optimizer, Communicator& ranks, int zero) {
  TinyOptions o{.batch = {.leaves = 16, .micro_batches = 1, .micro_batch = 1, .seq_len = 12},
                .llama = llama,
                .optimizer = {.name = optimizer, .ema = 0.9f, .seed = 5},
                .n_embd = 64};
  o.ranks = &ranks;
  o.zero = zero;
  o.bucket_bytes = 8 << 10;
  return o;
}

// It does not wait for the disk.
class QuickDisk : public FileSystem {
 public:
  void sync(int, const std::string&) override {}
  void sync_folder(const std::string&) override {}
};

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Saves two steps' state on every layout, loads every one of them on every layout, and goes on for
// a step after the last: each by one digest.
void check_pairs(const std::vector<int>& ranks, bool llama, const std::string& optimizer) {
  const SharedData data;
  const auto layouts = all_layouts(ranks);
  QuickDisk disk;
  std::vector<std::string> folders;
  std::string digest, next, weights;
  for (const Layout& l : layouts) {
    INFO("saved on " << l.ranks << " ranks, ZeRO " << l.zero);
    const std::string root = data.folder / fmt::format("{}_{}", l.ranks, l.zero);
    const auto digests = on_ranks<std::string>(l.ranks, [&](Communicator& comm) {
      TinyRun run(data.path, options_of(llama, optimizer, comm, l.zero));
      const std::string own = fmt::format("{:016x}", run.digest_after(2));
      save_run(root, *run.model, *run.optimizer, state_of(run), &comm, disk);
      return own + fmt::format(" {:016x}", run.digest_after(3));
    });
    if (digest.empty()) digest = digests.front().substr(0, 16), next = digests.front().substr(17);
    for (const auto& d : digests) CHECK(d == digest + " " + next);
    folders.push_back(root);
    const Checkpoint saved = Checkpoint::open(root);
    CHECK(saved.ranks() == l.ranks);
    CHECK(fmt::format("{:016x}", saved.state().state_digest) == digest);
    const std::string file = bytes_of(saved.folder() + "/model-00001-of-00001.safetensors");
    if (weights.empty()) weights = file;
    CHECK((file == weights && !file.empty()));
  }
  for (const Layout& l : layouts) {
    INFO("loaded on " << l.ranks << " ranks, ZeRO " << l.zero);
    const auto digests = on_ranks<std::string>(l.ranks, [&](Communicator& comm) {
      TinyRun run(data.path, options_of(llama, optimizer, comm, l.zero));
      std::string seen;
      for (const auto& folder : folders) {
        run.trainer->step();  // to something else first
        const Checkpoint saved = newest_whole(folder, nullptr, &comm);
        restore(saved, *run.model, *run.optimizer, &comm);
        run.trainer->resume_at(2, saved.state().tokens);
        const std::string loaded =
            state_digest(nn::named_parameters(*run.model), run.optimizer.get(), &comm).hex();
        if (loaded != digest) seen += folder + " gave " + loaded + "; ";
      }
      return seen + fmt::format("{:016x}", run.digest_after(3));
    });
    for (const auto& d : digests) CHECK(d == next);
  }
}

}  // namespace

TEST_CASE("shared checkpoints: saved and loaded on any ranks and stages", "[ranks][ckpt][bits]") {
  check_pairs({1, 2, 3}, false, "adamw");
  check_pairs({2}, true, "muon");
}

TEST_CASE("shared checkpoints: all pairs of ranks and stages", "[.][slow][ranks][ckpt][bits]") {
  check_pairs({1, 2, 3, 4, 8, 16}, false, "adamw");
  check_pairs({1, 2, 3, 4, 8, 16}, true, "muon");
  check_pairs({1, 3, 16}, true, "adafactor");
}

namespace {

// What each rank's checkpoints of a run on three ranks told, in the order of `tell`.
struct Told {
  std::vector<std::string> saved, warnings;
};

std::vector<Told> save_twice_while_training(
    const SharedData& data, const std::string& root, FileSystem& disk, int zero,
    const std::function<void()>& between = [] {}) {
  return on_ranks<Told>(3, [&](Communicator& comm) {
    TinyRun run(data.path, options_of(false, "adamw", comm, zero));
    Told told;
    RunCheckpoints checkpoints(
        {.root = root,
         .checkpoint = {},
         .on_saved = [&](const auto& s) { told.saved.push_back(s.written.folder); },
         .on_warning = [&](const std::string& text) { told.warnings.push_back(text); },
         .files = &disk},
        {*run.model, *run.optimizer, nullptr, &comm});
    for (const int step : {1, 2}) {
      run.losses_to(step);
      checkpoints.save_in_background(state_of(run), false);
      run.losses_to(step + 1);
      checkpoints.poll();
      checkpoints.settle();
      comm.barrier().wait();
      if (step == 1 && comm.rank() == 0) between();
      comm.barrier().wait();
    }
    return told;
  });
}

// One rank's file cannot be written while `broken`.
class BrokenFile final : public QuickDisk {
 public:
  explicit BrokenFile(std::string name) : name_(std::move(name)) {}
  int create(const std::string& path) override {
    if (!broken || path.find(name_) == std::string::npos) return FileSystem::create(path);
    if (name_ == "optim-00001") throw std::bad_alloc();
    throw Error(ErrorCode::io, "cannot create '" + path + "': No space left on device",
                "free space");
  }
  std::atomic<bool> broken = false;

 private:
  std::string name_;
};

}  // namespace

TEST_CASE("shared checkpoints: written while training goes on", "[ranks][threads][ckpt][bits]") {
  const SharedData data;
  QuickDisk disk;
  for (int zero = 0; zero <= 3; ++zero) {
    INFO("ZeRO " << zero);
    const std::string root = data.folder / fmt::format("zero_{}", zero);
    const auto told = save_twice_while_training(data, root, disk, zero);
    CHECK(told[0].saved ==
          std::vector<std::string>{root + "/step_00000001", root + "/step_00000002"});
    CHECK((told[1].saved.empty() && told[2].saved.empty()));
    for (const auto& entry : list_checkpoints(root)) CHECK(verify_checkpoint(entry.folder).whole());
    CHECK(
        names_in(root + "/step_00000002") ==
        std::vector<std::string>{"config.json", "manifest.json", "model-00001-of-00001.safetensors",
                                 "model.safetensors.index.json", "optim-00000-of-00003.safetensors",
                                 "optim-00001-of-00003.safetensors",
                                 "optim-00002-of-00003.safetensors", "state.json"});
    // What was saved is the state of its step, not what training made of it meanwhile.
    const auto digests = on_ranks<std::string>(2, [&](Communicator& comm) {
      TinyRun run(data.path, options_of(false, "adamw", comm, 1));
      return fmt::format("{:016x}", run.digest_after(1));
    });
    CHECK(fmt::format("{:016x}", Checkpoint::open(root + "/step_00000001").state().state_digest) ==
          digests[0]);
  }
}

TEST_CASE("shared checkpoints: one rank's disk fails, all go on, the older one stays",
          "[ranks][ckpt]") {
  const SharedData data;
  for (const std::string name : {"optim-00002", "optim-00001", "manifest.json", "LATEST"}) {
    INFO(name);
    BrokenFile disk(name);
    const std::string root = data.folder / fmt::format("ckpt_{}", name.back());
    const auto told = save_twice_while_training(data, root, disk, 1, [&] { disk.broken = true; });
    CHECK(told[0].saved == std::vector<std::string>{root + "/step_00000001"});
    REQUIRE(told[0].warnings.size() == 1);
    const std::string rank = name.starts_with("optim") ? name.substr(name.size() - 1) : "0";
    CHECK_THAT(told[0].warnings[0], Contains("step_00000002") && Contains("on rank " + rank) &&
                                        Contains(rank == "1" ? "no memory left" : "No space left"));
    CHECK((told[1].warnings.empty() && told[2].warnings.empty()));
    CHECK(Checkpoint::open(root).state().step == 1);
    for (const auto& left : names_in(root)) CHECK_THAT(left, !Catch::StartsWith("."));
  }
}

TEST_CASE("shared checkpoints: ranks agree on the newest whole one", "[ranks][ckpt]") {
  const SharedData data;
  QuickDisk disk;
  const std::string root = data.folder / "ckpt";
  save_twice_while_training(data, root, disk, 2);
  for (const auto& name : names_in(root + "/step_00000002")) {
    INFO(name);
    const std::string path = root + "/step_00000002/" + name, whole = bytes_of(path);
    std::string bytes = whole;
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
    std::ofstream(path, std::ios::binary) << bytes;
    const auto opened = on_ranks<std::string>(4, [&](Communicator& comm) {
      std::vector<std::string> warnings;
      const Checkpoint c = newest_whole(root, &warnings, &comm);
      return fmt::format("step {}; {}", c.state().step, fmt::join(warnings, "; "));
    });
    for (const auto& text : opened) {
      CHECK_THAT(text, Catch::StartsWith("step 1; skipped damaged checkpoint step_00000002") &&
                           Contains(name));
      CHECK(text == opened.front());
    }
    std::ofstream(path, std::ios::binary) << whole;
  }
  CHECK(newest_whole(root).state().step == 2);
}

TEST_CASE("a save while training goes on keeps to its bandwidth, until it is waited for",
          "[unit][train][ckpt]") {
  const SharedData data;
  QuickDisk disk;
  const auto alone = make_local_communicator();
  TinyRun run(data.path, {});
  for (const bool waited_for : {false, true}) {
    StateSnapshot snapshot;
    auto part = snapshot.take(*run.model, *run.optimizer, *alone);
    std::int64_t bytes = 0;
    for (const auto& file : part.files)
      for (const auto& t : file.tensors) bytes += t.view.bytes();
    const Timer time;
    CheckpointSave save(disk, *alone,
                        {.root = data.folder / "ckpt",
                         .texts = texts_of(*run.model, nullptr, state_of(run)),
                         .options = {},
                         .bandwidth = static_cast<double>(bytes) / 0.4},  // most of it in 0.4 s
                        std::move(part));
    if (waited_for) save.wait();
    while (!waited_for && !save.poll()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    INFO(time.ms() << " ms");
    if (waited_for)
      CHECK(time.ms() < 300);
    else
      CHECK(time.ms() > 300);
  }
}
