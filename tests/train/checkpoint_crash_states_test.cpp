// The commit protocol against a loss of power: every state that one may leave behind loads the old
// or the new state, whole, and each sync and rename is there because without it one does not.
#include <catch2/catch.hpp>

#include "gigatrain/collectives/thread_ranks.h"
#include "train/checkpoint_save.h"
#include "train/crash_judge.h"

using namespace gigatrain;
using namespace gigatrain::testing;

namespace {

// What one of several ranks writes: its files of weights, and its run of elements of each tensor of
// the optimizer.
CheckpointPart part_of(const CheckpointContents& contents, const CheckpointOptions& options,
                       int rank, int ranks) {
  std::vector<CheckpointLayout::Item> model, optimizer;
  for (const auto& t : contents.model) model.push_back({t.name, t.view.bytes(), false});
  for (const auto& t : contents.optimizer) optimizer.push_back({t.name, t.view.bytes(), true});
  const CheckpointLayout layout(model, optimizer, ranks, options.max_file_bytes);
  CheckpointPart part;
  for (const auto& file : layout.model_files()) {
    if (file.rank != rank) continue;
    part.files.push_back({file.name, kModelMetadata, {}});
    for (const std::size_t t : file.tensors)
      part.files.back().tensors.push_back(
          {contents.model[t].name, contents.model[t].view, contents.model[t].view.shape, 0});
  }
  part.files.push_back({layout.optimizer_file(rank), {}, {}});
  for (const auto& t : contents.optimizer) {
    const std::int64_t n = t.view.numel(), begin = n * rank / ranks, end = n * (rank + 1) / ranks;
    auto* data = static_cast<float*>(t.view.data);
    if (end > begin)
      part.files.back().tensors.push_back(
          {t.name, {data + begin, DType::f32, {end - begin}}, t.view.shape, begin});
  }
  return part;
}

// Their threads write into one folder at once.
void save_on_four_ranks(FileSystem& files, const std::string& root,
                        const CheckpointContents& contents, const CheckpointOptions& options) {
  run_ranks(4, [&](Communicator& ranks) {
    CheckpointSave save(files, ranks,
                        {.root = root,
                         .texts = {contents.config_json, contents.tokenizer_json, contents.state},
                         .options = options,
                         .in_background = false},
                        part_of(contents, options, ranks.rank(), ranks.size()));
    save.wait();
  });
}

// First save, retention, BEST moved, a step saved again.
void tell(CrashStory& story) {
  story.save(1, {.keep = 1, .is_best = true});
  story.save(2, {.keep = 1});
  story.save(3, {.keep = 2, .is_best = true});
  story.save(4, {.keep = 1});
  story.save(4, {.keep = 2, .is_best = true});
  story.save(5, {.keep = 1});
  story.save(6, {.keep = 1});
}

DiskOperation nothing() {
  return {.kind = DiskOperation::Kind::names, .inode = 0, .bytes = {}, .names = {}, .label = "-"};
}

std::string without_numbers(const std::string& label) {
  std::string text;
  for (const char c : label)
    if (c < '0' || c > '9') text += c;
  return text;
}

// "rename LATEST, sync folder ckpt" for the sync; "" for what is no sync and no rename.
std::string step_of_protocol(const Recording& recording, std::size_t i) {
  using Kind = DiskOperation::Kind;
  const DiskOperation& operation = recording.operations[i];
  const std::string label = without_numbers(operation.label);
  // The model would let a folder take the place of one that is not empty; no file system does.
  if (label.starts_with("rename .old-")) return "";
  if (operation.kind == Kind::sync_folder) {
    const std::string before = i > 1 ? recording.operations[i - 2].label : "";
    return without_numbers((before.starts_with("rename .old-") ? "rename .old-, " : "") +
                           recording.operations[i - 1].label + ", " + operation.label);
  }
  return operation.kind == Kind::sync || operation.names.size() > 1 ? label : "";
}

}  // namespace

namespace {

void check_every_state(bool can_exchange, const CrashStory::Write& save) {
  CrashStory story(can_exchange, save);
  tell(story);
  CrashJudge judge;
  CHECK(judge.complaint(story) == "");
  CHECK(judge.states() > 3500);  // 3,900 on one rank, more than 5,000 on four
}

void check_every_step_is_needed(bool can_exchange) {
  CrashStory story(can_exchange);
  tell(story);
  CrashJudge judge;
  Recording recording = story.recording();
  std::map<std::string, std::string> found;  // by step of the protocol
  for (std::size_t i = 0; i < recording.operations.size(); ++i) {
    const std::string step = step_of_protocol(recording, i);
    if (step.empty() || !found[step].empty()) continue;
    const DiskOperation operation = std::exchange(recording.operations[i], nothing());
    found[step] = judge.complaint(story, recording, i);
    recording.operations[i] = operation;
  }
  CHECK(found.size() > 10);
  for (const auto& [step, complaint] : found) {
    INFO("without: " << step);
    CHECK(complaint != "");
  }
}

}  // namespace

TEST_CASE("crash states: after a loss of power the old or the new state is whole", "[exhaustive]") {
  check_every_state(true, GENERATE(&save_on_one_rank, &save_on_four_ranks));
}

TEST_CASE("crash states: the same where folders cannot be exchanged", "[slow]") {
  check_every_state(false, GENERATE(&save_on_one_rank, &save_on_four_ranks));
}

TEST_CASE("crash states: none of the protocol's syncs and renames may lack", "[exhaustive]") {
  check_every_step_is_needed(true);
}

TEST_CASE("crash states: nor where folders cannot be exchanged", "[slow]") {
  check_every_step_is_needed(false);
}

TEST_CASE("crash states: nor may their order change", "[unit]") {
  CrashStory story;
  tell(story);
  const auto find = [&](const std::string& label, std::size_t after) {
    const auto& operations = story.recording().operations;
    while (!operations.at(after).label.starts_with(label)) ++after;
    return static_cast<std::ptrdiff_t>(after);
  };
  const auto moved = [&](std::ptrdiff_t first, std::ptrdiff_t last, std::ptrdiff_t before) {
    Recording recording = story.recording();
    const auto begin = recording.operations.begin();
    std::rotate(begin + before, begin + first, begin + last);
    return recording;
  };
  const auto start = static_cast<std::size_t>(find("sync folder .tmp-step_00000006", 0));
  const auto rename = find("rename step_00000006", start), latest = find("create LATEST", start);
  const auto gone = find("rename .gone-step_00000005", start);
  const auto end = static_cast<std::ptrdiff_t>(story.recording().operations.size());
  CrashJudge judge;
  CHECK(judge.complaint(story) == "");
  // LATEST before the folder that it names; the older one away before LATEST leaves it.
  CHECK(judge.complaint(story, moved(latest, gone, rename)) != "");
  CHECK(judge.complaint(story, moved(gone, end, latest)) != "");
}

namespace {

// A best one, then its step again, killed after so many operations, then three more. False: that
// save has fewer.
bool tell_of_killed(CrashStory& story, std::size_t operations) {
  story.save(1, {.keep = 2});
  story.save(2, {.keep = 2, .is_best = true});
  const bool killed = story.save(2, {.keep = 1, .is_best = true}, operations);
  story.save(3, {.keep = 1});
  story.save(4, {.keep = 2});
  story.save(5, {.keep = 1});
  return killed;
}

}  // namespace

TEST_CASE("crash states: a save killed at any operation, another one, then a loss of power",
          "[slow]") {
  CrashJudge judge;
  for (const bool can_exchange : {true, false}) {
    bool killed = true;
    for (std::size_t operations = 0; killed; ++operations) {
      CrashStory story(can_exchange);
      killed = tell_of_killed(story, operations);
      INFO("killed after " << operations);
      REQUIRE(judge.complaint(story) == "");
    }
  }
  INFO(judge.states() << " different states");
  CHECK(judge.states() > 10000);
}

TEST_CASE("crash states: what a killed save left is durable before anything is cleaned", "[slow]") {
  const bool can_exchange = GENERATE(true, false);
  CrashJudge judge;
  bool killed = true, found = false;
  for (std::size_t operations = 0; killed && !found; ++operations) {
    CrashStory story(can_exchange);
    killed = tell_of_killed(story, operations);
    Recording recording = story.recording();
    const std::size_t next_save = story.begin_of_last();
    if (recording.operations[next_save].kind != DiskOperation::Kind::sync_folder) continue;
    recording.operations[next_save] = nothing();
    found = !judge.complaint(story, recording, next_save).empty();
  }
  CHECK(found);
}
