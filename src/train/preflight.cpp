#include "train/preflight.h"

#include <fmt/format.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#include "gigatrain/base/error.h"

namespace gigatrain {
namespace {

// Names that no checkpoint has. A run that was killed in here left them.
constexpr const char* kMaking = "/.probe.tmp";
constexpr const char* kMade = "/.probe";

void remove(FileSystem& files, const std::string& path) {
  if (is_folder(path))
    remove_tree(files, path);
  else if (exists(path))
    files.remove_file(path);
}

void save_and_read(FileSystem& files, const std::string& ckpt) {
  const std::string making = ckpt + kMaking, made = ckpt + kMade, text(64 * 1024, 'x');
  if (!leads_to_folder(ckpt)) {
    files.make_folder(ckpt);
    files.sync_folder(parent_of(ckpt));
  }
  for (const auto& left : {making, made}) remove(files, left);
  files.make_folder(making);
  write_file(files, making + "/data", text);
  files.sync_folder(making);
  files.rename(making, made);
  files.sync_folder(ckpt);
  if (read_small_file(made + "/data", 1 << 20) != text)
    throw Error(ErrorCode::io, fmt::format("'{}/data' does not hold what was written", made),
                "use another disk: run.dir=FOLDER");
  remove(files, made);
  files.sync_folder(ckpt);
}

void require_space(const std::string& ckpt, std::int64_t bytes_needed) {
  struct statvfs disk {};
  if (::statvfs(ckpt.c_str(), &disk) != 0) return;  // cannot tell: training will
  const double free = static_cast<double>(disk.f_bavail) * static_cast<double>(disk.f_frsize);
  if (free < static_cast<double>(bytes_needed))
    throw Error(ErrorCode::io,
                fmt::format("'{}' needs about {:.1f} MB for checkpoints, {:.1f} MB are free", ckpt,
                            static_cast<double>(bytes_needed) / 1e6, free / 1e6),
                "free space, lower checkpoint.keep, or choose another disk with run.dir=FOLDER");
}

}  // namespace

void try_disk(FileSystem& files, const std::string& ckpt, std::int64_t bytes_needed) {
  try {
    save_and_read(files, ckpt);
  } catch (Error& e) {
    for (const char* probe : {kMaking, kMade}) remove_quietly(files, ckpt + probe);
    throw e.add_frame("while trying out the disk, before the training");
  }
  require_space(ckpt, bytes_needed);
}

std::string disk_warning(const std::string& folder) {
  struct statfs disk {};
  if (::statfs(folder.c_str(), &disk) != 0) return "";
  const std::string promise = weaker_promise(static_cast<std::uint32_t>(disk.f_type));
  return promise.empty()
             ? ""
             : fmt::format("checkpoints go to '{}', {} (docs/checkpoints.md)", folder, promise);
}

// Numbers: linux/magic.h, and for Lustre, GPFS and BeeGFS those that coreutils' stat knows.
std::string weaker_promise(std::uint64_t type) {
  switch (type) {
    case 0x6969:
      return "on NFS: durable if the server exports it with 'sync', and one host should write";
    case 0x517B:
    case 0xFF534D42:
    case 0xFE534D42:
      return "on SMB: whether a sync reaches the disk is up to the server";
    case 0x65735546:
      return "on FUSE: whether a rename is one step, and a sync durable, is up to its program";
    case 0x01021997:
      return "on 9p: whether a sync reaches the disk is up to the host";
    case 0x794c7630:
      return "on overlayfs: in a container they go with it, and with 'volatile' syncs do nothing";
    case 0x01021994:
    case 0x858458F6:
      return "in memory (tmpfs): they are lost at the next boot";
    case 0x0BD00BD0:
      return "on Lustre: durable once synced; the lock of a run needs the mount option 'flock'";
    case 0x47504653:
      return "on GPFS: durable once synced; a rename or sync may wait for other hosts";
    case 0x19830326:
      return "on BeeGFS: durable unless its client is set to tuneRemoteFSync = false";
    default:
      return "";
  }
}

}  // namespace gigatrain
