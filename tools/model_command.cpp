// `gigatrain import FOLDER`: is this Hugging Face folder a model that can be trained here?
// `gigatrain export MODEL OUT`: a run's model as a plain Hugging Face folder.

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>

#include "cli.h"
#include "gigatrain/train/hugging_face.h"
#include "gigatrain/train/session.h"
#include "progress.h"

namespace gigatrain::tools {

namespace {

using Json = nlohmann::ordered_json;

// --- import

std::string join(const std::set<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

int check_folder(const Globals& globals, const std::string& folder) {
  const nn::ModelSpec spec = read_hf_folder(folder);
  const auto model = spec.make();
  const ModelFiles files = ModelFiles::open(folder);
  std::set<std::string> dtypes, names;
  for (const auto& [name, dtype] : stored_dtypes(*model, files))
    dtypes.insert(gigatrain::name(dtype));
  std::int64_t bytes = 0;
  for (const auto& [name, tensor] : files.tensors()) {
    names.insert(tensor.file);
    bytes += tensor.bytes;
  }
  const Json config = Json::parse(model->hf_config());
  const auto type = config["model_type"].get<std::string>();
  if (globals.json)
    fmt::print("{}\n", Json{{"folder", folder},
                            {"model_type", type},
                            {"parameters", spec.parameters()},
                            {"n_layer", spec.n_layer()},
                            {"n_embd", spec.n_embd()},
                            {"vocab_size", spec.vocab_size()},
                            {"max_positions", spec.max_positions()},
                            {"dtypes", dtypes},
                            {"files", names.size()},
                            {"bytes", bytes}}
                           .dump());
  else
    fmt::print(
        "{}: a whole {} of {} parameters\n"
        "  {} layers x {} channels, vocabulary {}, {} positions\n"
        "  weights {}, {} in {} file{}\n"
        "next: gigatrain train CONFIG model.from={}\n",
        folder, type, format_count(static_cast<double>(spec.parameters())), spec.n_layer(),
        spec.n_embd(), spec.vocab_size(), spec.max_positions(), join(dtypes),
        format_bytes(static_cast<double>(bytes)), names.size(), names.size() == 1 ? "" : "s",
        folder);
  return kOk;
}

// --- export

struct ExportOptions {
  std::string model, out, dtype = "keep";
};

HfSaveOptions save_options(const LoadedModel& loaded, const std::string& dtype) {
  HfSaveOptions o;
  if (dtype == "keep")
    o.dtypes = loaded.dtypes;
  else
    o.dtype = parse_dtype(dtype);
  if (loaded.step < 0) {  // a Hugging Face folder: what we do not read stays as it is
    o.config_json = read_hf_config_text(loaded.folder);
    o.texts = read_hf_tokenizer_files(loaded.folder);
  } else if (loaded.tokenizer) {
    o.texts["tokenizer.json"] = loaded.tokenizer->to_json();
  }
  return o;
}

int export_model(const Globals& globals, const ExportOptions& options) {
  Device device;
  const LoadedModel loaded = load_model(device, options.model);
  save_hf_folder(*loaded.model, options.out, save_options(loaded, options.dtype));
  if (globals.json)
    fmt::print("{}\n", Json{{"model", loaded.folder},
                            {"folder", options.out},
                            {"step", loaded.step},
                            {"dtype", options.dtype}}
                           .dump());
  else if (!globals.quiet)
    fmt::print("{} written to {}\n", loaded.folder, options.out);
  return kOk;
}

}  // namespace

void add_import(CLI::App& app, const Globals& globals, Action& action) {
  auto* command = app.add_subcommand("import", "check a Hugging Face folder; say what it is");
  command->footer("Example: gigatrain import SmolLM2-135M");
  auto folder = std::make_shared<std::string>();
  command->add_option("folder", *folder, "with config.json and model.safetensors, or its index")
      ->required();
  command->callback([&globals, &action, folder] {
    action = [&globals, folder] { return check_folder(globals, *folder); };
  });
}

namespace {

void add_writer(CLI::App& app, const Globals& globals, Action& action, const char* name,
                const char* about, const char* example) {
  auto* command = app.add_subcommand(name, about);
  command->footer(std::string("Example: ") + example);
  auto o = std::make_shared<ExportOptions>();
  command->add_option("model", o->model, "run folder, checkpoint or Hugging Face folder")
      ->required();
  command->add_option("out", o->out, "folder to make")->required();
  command->add_option("--dtype", o->dtype, "keep: as the weights are stored; or f32, bf16, f16")
      ->check(CLI::IsMember({"keep", "f32", "bf16", "f16"}))
      ->capture_default_str();
  command->callback(
      [&globals, &action, o] { action = [&globals, o] { return export_model(globals, *o); }; });
}

}  // namespace

void add_export(CLI::App& app, const Globals& globals, Action& action) {
  add_writer(app, globals, action, "export", "write a model as a plain Hugging Face folder",
             "gigatrain export runs/bible bible-model --dtype bf16");
}

void add_convert(CLI::App& ckpt, const Globals& globals, Action& action) {
  add_writer(ckpt, globals, action, "convert",
             "write a checkpoint's model as a plain Hugging Face folder; the same as export",
             "gigatrain ckpt convert runs/bible/ckpt/step_00001000 bible-model --dtype bf16");
}

}  // namespace gigatrain::tools
