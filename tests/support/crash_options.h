// What one folder and one file of a recorded disk may hold after a loss of power.
//
// The model is the weakest that POSIX allows for what we use, after Pillai et al., "All File
// Systems Are Not Created Equal" (OSDI 2014), whose tool ALICE does the like for system calls:
//   - fsync of a file makes its bytes and length durable, and not its name; fsync of a folder makes
//     durable the names in it, and not what they lead to (POSIX fsync; Linux man 2 fsync).
//   - Bytes that are not synced may be there, or not: a prefix that ends at a block of 512 or 4,096
//     bytes, with the length cut there or with zeros behind it (delayed allocation), and blocks in
//     any order (one missing among later ones, or alone among missing ones).
//   - Changes of names that are not synced may be there or not, each for itself, whatever the
//     folder. A rename is one step, or leaves both names; it never leaves none. Swapping two names
//     is one step: the file systems that can do it keep a journal or copy on write.
// What was synced is there. Disks that lie about it are out of scope: no protocol helps.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/recording_disk.h"

namespace gigatrain::testing {

struct Blob {
  std::string bytes;
  std::size_t hash = std::hash<std::string>()(bytes);
};
using BlobPtr = std::shared_ptr<const Blob>;

using FolderNames = std::map<std::string, int>;
struct DiskInode {
  bool is_folder;
  FolderNames durable{};  // of a folder: what was synced, and the changes since
  std::vector<const DiskOperation*> pending{};
  std::string bytes{};  // of a file
  std::size_t synced = 0;
  BlobPtr whole = std::make_shared<const Blob>();  // where all is synced
};

inline void carry_out(const DiskOperation& change, FolderNames& names, bool leave_both) {
  for (const auto& [name, inode] : change.names) {
    if (inode != kNoInode)
      names[name] = inode;
    else if (!leave_both)
      names.erase(name);
  }
}

// Every subset of up to five changes; of more: each prefix, each suffix, each alone.
inline std::vector<std::vector<bool>> subsets(std::size_t n) {
  std::vector<std::vector<bool>> kept = {std::vector<bool>(n, true), std::vector<bool>(n, false)};
  if (n <= 5) {
    for (std::size_t bits = 1; bits + 1 < std::size_t{1} << n; ++bits) {
      kept.emplace_back(n);
      for (std::size_t i = 0; i < n; ++i) kept.back()[i] = (bits >> i & 1) != 0;
    }
    return kept;
  }
  for (std::size_t at = 0; at < n; ++at)
    for (const bool here : {true, false}) {
      kept.emplace_back(n, !here)[at] = here;
      kept.emplace_back(n, !here);
      std::fill_n(kept.back().begin(), at, here);
    }
  return kept;
}

// 0: all changes kept, 1: all lost.
inline std::vector<FolderNames> names_of(const DiskInode& folder) {
  std::vector<FolderNames> all;
  const auto add = [&](const std::vector<bool>& kept, std::size_t both) {
    FolderNames names = folder.durable;
    for (std::size_t i = 0; i < kept.size(); ++i)
      if (kept[i]) carry_out(*folder.pending[i], names, i == both);
    if (all.size() < 2 || std::find(all.begin(), all.end(), names) == all.end())
      all.push_back(std::move(names));
  };
  const std::size_t n = folder.pending.size();
  for (const auto& kept : subsets(n)) add(kept, n);
  for (std::size_t i = 0; i < n; ++i) {  // both names of one rename, what came before it kept
    if (folder.pending[i]->names.size() < 2) continue;
    std::vector<bool> kept(n, true);
    add(kept, i);
    std::fill(kept.begin() + static_cast<std::ptrdiff_t>(i) + 1, kept.end(), false);
    add(kept, i);
  }
  return all;
}

// 0: everything, 1: what was synced, 2: zeros behind that.
inline std::vector<BlobPtr> blobs_of(const DiskInode& file) {
  std::vector<BlobPtr> all;
  const auto add = [&](std::string bytes) {
    all.push_back(std::make_shared<const Blob>(Blob{std::move(bytes)}));
  };
  const std::string& bytes = file.bytes;
  const std::size_t size = bytes.size();
  const auto zeroed = [&](std::size_t begin, std::size_t end) {
    std::string holed = bytes;
    std::fill(holed.begin() + static_cast<std::ptrdiff_t>(begin),
              holed.begin() + static_cast<std::ptrdiff_t>(end), '\0');
    return holed;
  };
  add(bytes);
  add(bytes.substr(0, file.synced));
  add(zeroed(file.synced, size));
  for (const std::size_t block : {512, 4096})
    for (std::size_t begin = file.synced / block * block; begin < size; begin += block) {
      const std::size_t from = std::max(begin, file.synced), end = std::min(begin + block, size);
      add(bytes.substr(0, end));
      add(zeroed(end, size));
      add(zeroed(from, end));
      add(zeroed(file.synced, from).substr(0, end));
    }
  return all;
}

}  // namespace gigatrain::testing
