// A model as a Hugging Face folder.

#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "gigatrain/base/error.h"
#include "gigatrain/train/hugging_face.h"
#include "train/atomic_file.h"
#include "train/safetensors_internal.h"
#include "train/strict_json.h"
#include "train/tensor_transfer.h"

namespace gigatrain {

namespace {

using Json = nlohmann::ordered_json;

const char* torch_name(DType dtype) {
  switch (dtype) {
    case DType::bf16:
      return "bfloat16";
    case DType::f16:
      return "float16";
    case DType::f64:
      return "float64";
    default:
      return "float32";
  }
}

class Saver {
 public:
  Saver(nn::LanguageModel& model, const HfSaveOptions& options)
      : options_(options), parameters_(nn::named_parameters(model)) {
    config_ = options.config_json.empty() ? model.hf_config() : options.config_json;
  }

  void write(const std::string& folder) {
    write_weights(folder);
    write_file(files_, folder + "/config.json", config_text(folder));
    for (const auto& [name, text] : options_.texts) write_file(files_, folder + "/" + name, text);
    files_.sync_folder(folder);
  }

 private:
  DType dtype_of(const Parameter& p) const {
    const auto own = options_.dtypes.find(p.name());
    return own == options_.dtypes.end() ? options_.dtype : own->second;
  }

  std::string config_text(const std::string& folder) const {
    Json json = parse_strict_json(config_, folder + "/config.json");
    const DType dtype = options_.dtypes.empty() ? options_.dtype : options_.dtypes.begin()->second;
    json[json.contains("dtype") ? "dtype" : "torch_dtype"] = torch_name(dtype);
    return json.dump(2) + "\n";
  }

  // Whole tensors in name order; a file ends where it would pass max_file_bytes.
  std::vector<std::vector<Parameter*>> groups() const {
    std::vector<std::vector<Parameter*>> out(1);
    std::int64_t size = 0;
    for (auto* p : parameters_) {
      const std::int64_t bytes = p->shape().numel() * size_of(dtype_of(*p));
      if (!out.back().empty() && size + bytes > options_.max_file_bytes) {
        out.emplace_back();
        size = 0;
      }
      size += bytes;
      out.back().push_back(p);
    }
    return out;
  }

  void write_weights(const std::string& folder) {
    const auto all = groups();
    Json map = Json::object();
    std::int64_t total = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::string name =
          all.size() == 1 ? "model.safetensors"
                          : fmt::format("model-{:05d}-of-{:05d}.safetensors", i + 1, all.size());
      for (const auto* p : all[i]) map[p->name()] = name;
      total += write_group(folder + "/" + name, all[i]);
    }
    if (all.size() == 1) return;
    const Json index = {{"metadata", {{"total_size", total}}}, {"weight_map", map}};
    write_file(files_, folder + "/model.safetensors.index.json", index.dump(2) + "\n");
  }

  std::int64_t write_group(const std::string& path, const std::vector<Parameter*>& group) {
    HostCopies keep;
    std::vector<NamedView> tensors;
    std::int64_t bytes = 0;
    for (const auto* p : group) {
      tensors.push_back({p->name(), converted(p->value(), dtype_of(*p), keep)});
      bytes += tensors.back().view.bytes();
    }
    write_safetensors(files_, path, tensors, {{"format", "pt"}});
    return bytes;
  }

  static TensorView converted(const Tensor& value, DType dtype, HostCopies& keep) {
    HostCopies own;
    const TensorView from = host_view(value, value.dtype() == dtype ? keep : own);
    if (from.dtype == dtype) return from;
    keep.push_back(std::make_shared<std::vector<std::byte>>(
        static_cast<std::size_t>(from.numel() * size_of(dtype))));
    const TensorView to(keep.back()->data(), dtype, from.shape);
    copy_tensor({.name = {},
                 .dtype = safetensors_dtype(from.dtype),
                 .shape = from.shape,
                 .data = static_cast<const std::byte*>(from.data),
                 .bytes = from.bytes(),
                 .file = {}},
                to);
    return to;
  }

  const HfSaveOptions& options_;
  std::vector<Parameter*> parameters_;
  std::string config_;
  FileSystem& files_ = FileSystem::real();
};

}  // namespace

void save_hf_folder(nn::LanguageModel& model, const std::string& folder,
                    const HfSaveOptions& options) {
  if (!is_floating(options.dtype))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("weights are saved as f32, bf16 or f16, got {}", name(options.dtype)));
  FileSystem& files = FileSystem::real();
  if (exists(folder))
    throw Error(ErrorCode::io, fmt::format("'{}' exists already", folder),
                "name a folder that is not there yet");
  const std::string temporary = fmt::format("{}.tmp.{}", folder, ::getpid());
  try {
    files.make_folder(temporary);
    Saver(model, options).write(temporary);
    files.rename(temporary, folder);
    files.sync_folder(parent_of(folder));
  } catch (Error& e) {
    remove_quietly(files, temporary);
    throw e.add_frame(fmt::format("while writing '{}'", folder));
  }
}

}  // namespace gigatrain
