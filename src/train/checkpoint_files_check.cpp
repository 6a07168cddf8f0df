// Whether a file of a checkpoint is what the manifest says, and where it is not.
#include <fmt/format.h>

#include "checkpoint_files_internal.h"
#include "gigatrain/base/error.h"
#include "mapped_file.h"
#include "safetensors_internal.h"
#include "strict_json.h"

namespace gigatrain {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::corrupt, what,
              "use another checkpoint of the run: `gigatrain ckpt ls` lists them");
}

// The first tensor of a damaged file whose bytes are not those that were written; the digests are
// by slice, so that it is found.
std::string damaged_bytes(const std::string& folder, const std::string& name,
                          const Manifest& manifest) {
  if (!name.ends_with(".safetensors")) return {};
  try {
    const auto file = SafetensorsFile::open(folder + "/" + name);
    for (const auto& [tensor, record] : manifest.tensors)
      for (const auto& slice : record.slices) {
        const StoredTensor* stored = slice.file == name ? file.find(tensor) : nullptr;
        if (stored && digest_of(*stored, static_cast<std::uint64_t>(slice.begin)) != slice.digest)
          return fmt::format(": bytes {} to {}, '{}', are not those that were saved",
                             stored->offset, stored->offset + stored->bytes, printable(tensor));
      }
  } catch (const Error&) {
  }
  return ": its header is not the one that was saved";
}

}  // namespace

void check_file(const std::string& folder, const std::string& name, const Manifest& manifest,
                bool check_sha256) {
  const std::string path = folder + "/" + name;
  const WrittenFile& want = manifest.files.at(name);
  if (!exists(path)) refuse(fmt::format("'{}' is missing", path));
  const MappedFile file(OpenFile::open_in(folder, name), ErrorCode::io);
  if (file.size() != want.bytes)
    refuse(fmt::format("'{}' has {} bytes, the manifest says {}", path, file.size(), want.bytes));
  if (!check_sha256) return;
  if (const std::string got = sha256(file.bytes()); got != want.sha256)
    refuse(fmt::format("'{}' has SHA-256 {}, the manifest says {}{}", path, got,
                       printable(want.sha256), damaged_bytes(folder, name, manifest)));
}

}  // namespace gigatrain
