// Whether every state that a loss of power may leave of some saves is one from which a run goes on.
#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "support/crash_stage.h"
#include "train/crash_story.h"

namespace gigatrain::testing {

// Waits for no disk.
class QuickFiles final : public FileSystem {
  void sync(int, const std::string&) override {}
  void sync_folder(const std::string&) override {}
};

// Puts each state on a stage, loads it, and saves again.
class CrashJudge {
 public:
  // The first state that is not legal, from so many operations on; empty: none. The recording is
  // the story's, or made from it with as many operations.
  std::string complaint(const CrashStory& story, const Recording& recording, std::size_t from = 0) {
    DiskModel disk(recording);
    std::string found;
    for (std::size_t n = 0;; ++n) {
      legal_ = story.legal(n);
      if (n >= from)
        disk.for_each_state([&](const CrashTree& tree) {
          if (found.empty()) found = judge(tree);
        });
      if (!found.empty())
        return "after " + std::to_string(n) + " operations" +
               (n ? ", the last '" + recording.operations[n - 1].label + "'" : "") + ": " + found;
      if (n == recording.operations.size()) return "";
      disk.apply(recording.operations[n]);
    }
  }
  std::string complaint(const CrashStory& story) { return complaint(story, story.recording()); }

  std::size_t states() const { return good_.size(); }  // different ones, all legal

 private:
  std::string root() const { return stage_.folder() + "/ckpt"; }

  // Equal states of different moments may have to hold different things.
  std::size_t key_of(const CrashTree& tree) const {
    std::size_t key = tree.hash();
    for (const auto* ids : {&legal_.newest, &legal_.best})
      for (const int id : *ids) key = key * 1000003 + static_cast<std::size_t>(id) + 1;
    return key;
  }

  std::string judge(const CrashTree& tree) {
    const std::size_t key = key_of(tree);
    if (good_.contains(key)) return "";
    stage_.show(tree);
    bool changed = tree.hash("ckpt/.old-") != 0;
    QuickFiles files;
    if (changed) remove_leftovers(files, root());  // as a run does before it looks
    std::string complaint = complain(changed ? CrashTree{} : tree);
    if (complaint.empty() && next_save_tried_.insert(tree.hash("", false)).second) {
      complaint = complain_of_next_save();
      changed = true;
    }
    if (changed) stage_.clear();
    if (complaint.empty()) good_.insert(key);
    return complaint;
  }

  // Its save; 0: damaged. What was seen before is not opened again.
  int id_in(const CrashTree& tree, const std::string& name) {
    const std::size_t contents = tree.hash("ckpt/" + name + "/");
    if (const auto known = ids_.find(contents); contents && known != ids_.end())
      return known->second;
    int id = 0;
    try {
      id = id_of(Checkpoint::open(root() + "/" + name));
    } catch (const Error&) {
    }
    if (contents) ids_[contents] = id;
    return id;
  }

  std::string complain(const CrashTree& tree) {
    const bool may_be_empty = legal_.newest.contains(0);
    if (!leads_to_folder(root())) return may_be_empty ? "" : "ckpt/ is lost";
    const auto entries = list_checkpoints(root());
    for (const auto& entry : entries)
      if (id_in(tree, entry.name) == 0) return entry.name + " is there, and damaged";
    if (std::string complaint = complain_of_pointers(tree); !complaint.empty()) return complaint;
    if (entries.empty()) return may_be_empty ? "" : "no checkpoint is left";
    std::vector<std::string> warnings;
    const int id = id_of(newest_whole(root(), &warnings));
    if (!warnings.empty()) return warnings.front();
    return legal_.newest.contains(id) ? "" : "loads save " + std::to_string(id);
  }

  // One that is there leads to what it should.
  std::string complain_of_pointers(const CrashTree& tree) {
    for (const auto& [which, ids] : {std::pair(kLatest, legal_.newest), {kBest, legal_.best}}) {
      try {
        const auto name = read_pointer(root(), which);
        const int id = name ? id_in(tree, *name) : 0;
        if (ids.contains(id) && (id != 0 || !name)) continue;
        return std::string(which) + " is " + name.value_or("lost");
      } catch (const Error& e) {
        return e.message();
      }
    }
    return "";
  }

  std::string complain_of_next_save() {
    QuickFiles files;
    StoryState state;
    std::string complaint;
    try {
      write_checkpoint(files, root(), state.at(99, 99), {.keep = 1, .is_best = true});
      if (names_in(root()) != std::vector<std::string>{kBest, kLatest, "step_00000099"})
        complaint = "the next save leaves litter: " + names_in(root()).front();
      else if (id_of(newest_whole(root())) != 99)
        complaint = "the next save is not what loads";
    } catch (const Error& e) {
      complaint = std::string("the next save fails: ") + e.what();
    }
    return complaint;
  }

  CrashStage stage_;
  CrashStory::Legal legal_;
  std::unordered_set<std::size_t> good_, next_save_tried_;
  std::unordered_map<std::size_t, int> ids_;  // by what a step's folder holds
};

}  // namespace gigatrain::testing
