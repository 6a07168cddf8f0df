// Writing what one rank has of a checkpoint.
#include <fmt/format.h>

#include <future>

#include "checkpoint_files_internal.h"
#include "gigatrain/base/error.h"
#include "gigatrain/runtime/device.h"
#include "kernels/reduce.h"
#include "safetensors_internal.h"

namespace gigatrain {

const std::map<std::string, std::string> kModelMetadata = {{"format", "pt"}};

namespace {

[[noreturn]] void refuse_twice(const std::string& name) {
  throw Error(ErrorCode::invalid_argument,
              fmt::format("two tensors of a checkpoint are named '{}'", name));
}

// Writes the files of one rank into an existing folder.
class PartWriter {
 public:
  PartWriter(FileSystem& files, std::string folder, int threads)
      : files_(files), folder_(std::move(folder)), cpu_(CpuOptions{.threads = threads}) {}

  Manifest write(const CheckpointPart& part) {
    for (const auto& file : part.files) {
      // Beside the writing, which waits for the disk.
      auto digests = std::async(std::launch::async, [&] { return digests_of(file); });
      std::vector<NamedView> views;
      for (const auto& t : file.tensors) views.push_back({t.name, t.view});
      manifest_.files[file.name] =
          write_safetensors(files_, folder_ + "/" + file.name, views, file.metadata);
      record(file, digests.get());
    }
    return std::move(manifest_);
  }

 private:
  std::vector<std::uint64_t> digests_of(const PartFile& file) {
    std::vector<std::uint64_t> digests(file.tensors.size());
    for (std::size_t i = 0; i < digests.size(); ++i)
      cpu_.stream().submit(
          kernels::Digest{.x = file.tensors[i].view,
                          .first_index = static_cast<std::uint64_t>(file.tensors[i].begin),
                          .digest = &digests[i]});
    return digests;
  }

  void record(const PartFile& file, const std::vector<std::uint64_t>& digests) {
    for (std::size_t i = 0; i < digests.size(); ++i) {
      const PartTensor& t = file.tensors[i];
      const Manifest::Slice slice{file.name, t.begin, t.begin + t.view.numel(), digests[i]};
      const Manifest::Record record{safetensors_dtype(t.view.dtype), t.whole, digests[i], {slice}};
      if (!manifest_.tensors.emplace(t.name, record).second) refuse_twice(t.name);
    }
  }

  FileSystem& files_;
  std::string folder_;
  Device cpu_;
  Manifest manifest_;
};

}  // namespace

Manifest write_part(FileSystem& files, const std::string& temporary, const CheckpointPart& part,
                    int threads) {
  return PartWriter(files, temporary, threads).write(part);
}

CheckpointPart part_of(const CheckpointContents& contents, std::int64_t max_file_bytes) {
  const auto items_of = [](const std::vector<NamedView>& tensors) {
    std::vector<CheckpointLayout::Item> items;
    for (const auto& t : tensors) items.push_back({t.name, t.view.bytes(), false});
    return items;
  };
  const auto add = [](PartFile& file, const NamedView& t) {
    file.tensors.push_back({t.name, t.view, t.view.shape, 0});
  };
  const CheckpointLayout layout(items_of(contents.model), items_of(contents.optimizer), 1,
                                max_file_bytes);
  CheckpointPart part;
  for (const auto& file : layout.model_files()) {
    part.files.push_back({file.name, kModelMetadata, {}});
    for (const std::size_t t : file.tensors) add(part.files.back(), contents.model[t]);
  }
  part.files.push_back({layout.optimizer_file(0), {}, {}});
  for (const auto& t : contents.optimizer) add(part.files.back(), t);
  return part;
}

}  // namespace gigatrain
