// Every state that a loss of power may leave of a recorded disk (recording_disk.h): what each
// folder and file may hold by itself (crash_options.h), combined.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "support/crash_options.h"

namespace gigatrain::testing {

// What is found after the crash, by path. Null: a folder.
struct CrashTree {
  std::map<std::string, BlobPtr> entries;

  // Of what lies below `folder` ("": everything).
  std::size_t hash(const std::string& folder = "", bool with_bytes = true) const {
    std::size_t sum = 0;
    for (const auto& [path, blob] : entries) {
      if (path.compare(0, folder.size(), folder) != 0) continue;
      const std::size_t content = !blob ? 1 : with_bytes ? blob->hash : 2;
      sum = sum * 0x9e3779b97f4a7c15u + (std::hash<std::string>()(path) ^ (content << 1));
    }
    return sum;
  }
};

// The disk after some of the operations.
class DiskModel {
 public:
  explicit DiskModel(const Recording& recording) {
    for (const bool is_folder : recording.is_folder) inodes_.push_back({.is_folder = is_folder});
  }

  void apply(const DiskOperation& operation) {
    using Kind = DiskOperation::Kind;
    DiskInode& inode = inodes_[static_cast<std::size_t>(operation.inode)];
    if (operation.kind == Kind::write) inode.bytes += operation.bytes;
    if (operation.kind == Kind::sync) {
      inode.synced = inode.bytes.size();
      inode.whole = std::make_shared<const Blob>(Blob{inode.bytes});
    }
    if (operation.kind == Kind::names) inode.pending.push_back(&operation);
    if (operation.kind == Kind::sync_folder) {
      for (const auto* change : inode.pending) carry_out(*change, inode.durable, false);
      inode.pending.clear();
    }
  }

  // Some come twice.
  void for_each_state(const std::function<void(const CrashTree&)>& visit) const {
    const Options options = options_now();
    for (const auto& choice : folder_choices(options))
      for (std::size_t all = 0; all < 3; ++all)
        visit(tree(options, choice, [&](int) { return all; }));
    const Choice kept(options.names.size(), 0);
    for (const auto& [file, blobs] : options.blobs)
      for (std::size_t i = 3; i < blobs.size(); ++i)
        visit(tree(options, kept, [&, one = file](int inode) { return inode == one ? i : 0; }));
  }

 private:
  // Of each folder and file that is not synced.
  struct Options {
    std::vector<std::pair<int, std::vector<FolderNames>>> names;
    std::map<int, std::vector<BlobPtr>> blobs;
  };
  using Choice = std::vector<std::size_t>;  // one of each folder's

  Options options_now() const {
    Options options;
    std::set<int> reachable;
    reach(0, reachable);
    for (const int i : reachable) {
      const DiskInode& inode = inodes_[static_cast<std::size_t>(i)];
      if (!inode.pending.empty()) options.names.emplace_back(i, names_of(inode));
      if (inode.synced < inode.bytes.size()) options.blobs[i] = blobs_of(inode);
    }
    return options;
  }

  // What some state has a name for.
  void reach(int from, std::set<int>& reachable) const {
    if (from == kNoInode || !reachable.insert(from).second) return;
    const DiskInode& inode = inodes_[static_cast<std::size_t>(from)];
    for (const auto& entry : inode.durable) reach(entry.second, reachable);
    for (const auto* change : inode.pending)
      for (const auto& entry : change->names) reach(entry.inode, reachable);
  }

  // All combinations where they are few; else each folder's options beside the others' first two.
  static std::vector<Choice> folder_choices(const Options& options) {
    constexpr std::size_t kMany = 400;
    std::size_t product = 1;
    for (const auto& [inode, names] : options.names)
      product = std::min(product, kMany) * names.size();
    const Choice kept(options.names.size(), 0), lost(options.names.size(), 1);
    std::vector<Choice> all = {kept};
    for (std::size_t f = 0; f < options.names.size(); ++f) {
      const std::vector<Choice> before =
          product <= kMany ? std::exchange(all, {}) : std::vector<Choice>{kept, lost};
      for (const auto& choice : before)
        for (std::size_t i = 0; i < options.names[f].second.size(); ++i)
          (all.emplace_back(choice))[f] = i;
    }
    return all;
  }

  template <class WhichBlob>
  CrashTree tree(const Options& options, const Choice& choice, const WhichBlob& which) const {
    std::map<int, const FolderNames*> changed;
    for (std::size_t f = 0; f < choice.size(); ++f)
      changed[options.names[f].first] = &options.names[f].second[choice[f]];
    CrashTree found;
    add_below(found, "", 0, options, changed, which);
    return found;
  }

  template <class WhichBlob>
  void add_below(CrashTree& found, const std::string& path, int folder, const Options& options,
                 const std::map<int, const FolderNames*>& changed, const WhichBlob& which) const {
    const auto names = changed.find(folder);
    const DiskInode& here = inodes_[static_cast<std::size_t>(folder)];
    for (const auto& [name, inode] : names == changed.end() ? here.durable : *names->second) {
      const std::string below = path + name;
      const DiskInode& to = inodes_[static_cast<std::size_t>(inode)];
      if (to.is_folder) {
        found.entries[below] = nullptr;
        add_below(found, below + "/", inode, options, changed, which);
        continue;
      }
      const auto unsynced = options.blobs.find(inode);
      found.entries[below] =
          unsynced == options.blobs.end() ? to.whole : unsynced->second[which(inode)];
    }
  }

  std::vector<DiskInode> inodes_;
};

}  // namespace gigatrain::testing
