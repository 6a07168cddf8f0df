// Does this disk do what saving needs of it? Found out before the training, not at the first save.
#pragma once

#include <cstdint>
#include <string>

#include "train/atomic_file.h"

namespace gigatrain {

// Makes ckpt/ where it is missing and does there once what a save does: writes a file, syncs it and
// its folder, renames the folder, syncs again, reads the file, removes all; then looks whether
// `bytes_needed` are free. Throws Error(io) that says which step failed, and what to do.
void try_disk(FileSystem& files, const std::string& ckpt, std::int64_t bytes_needed);

// A line on what the file system of a folder promises less of than a local disk, or "".
std::string disk_warning(const std::string& folder);
// The same for statfs's f_type.
std::string weaker_promise(std::uint64_t type);

}  // namespace gigatrain
