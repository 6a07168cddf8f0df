// Everything that can be checked about a checkpoint, and what is wrong with it.
#include <fmt/format.h>

#include <functional>

#include "checkpoint_files_internal.h"
#include "gigatrain/base/error.h"
#include "gigatrain/base/hash.h"
#include "safetensors_internal.h"
#include "strict_json.h"

namespace gigatrain {

namespace {

void attempt(CheckpointReport& report, const std::function<void()>& check) {
  try {
    check();
  } catch (const Error& e) {
    report.problems.push_back(e.message());
  }
}

// Digests of what the files hold, against those in the manifest and in state.json.
void verify_digests(const Checkpoint& c, CheckpointReport& report) {
  report.state_digest = c.state().state_digest;
  std::uint64_t state = 0;
  for (const auto& [name, tensor] : c.tensors()) {
    std::uint64_t digest = 0;
    for (const auto& slice : tensor.slices)
      digest = digest_add(digest, digest_of(slice.stored, static_cast<std::uint64_t>(slice.begin)));
    if (digest != tensor.digest)
      report.problems.push_back(fmt::format("tensor '{}' has digest {}, the manifest says {}",
                                            printable(name), digest_hex(digest),
                                            digest_hex(tensor.digest)));
    state = digest_add(state, digest_named(name, digest));
  }
  if (state != report.state_digest)
    report.problems.push_back(fmt::format("the state's digest is {}, state.json says {}",
                                          digest_hex(state), digest_hex(report.state_digest)));
}

}  // namespace

CheckpointReport verify_checkpoint(const std::string& path) {
  CheckpointReport report;
  report.folder = resolve_checkpoint(path);
  Manifest manifest;
  attempt(report, [&] { manifest = read_manifest(report.folder); });
  report.step = manifest.step;
  report.tensors = static_cast<std::int64_t>(manifest.tensors.size());
  for (const auto& entry : manifest.files) {
    report.bytes += entry.second.bytes;
    attempt(report, [&] { check_file(report.folder, entry.first, manifest, true); });
  }
  if (report.whole())  // every file was hashed just now: not again
    attempt(report, [&] {
      verify_digests(Checkpoint::open(report.folder, {.check_sha256 = false}), report);
    });
  return report;
}

}  // namespace gigatrain
