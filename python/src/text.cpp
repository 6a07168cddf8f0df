// Text: tokenizers, token shards, generation.

#include "gigatrain/train/generate.h"
#include "gigatrain/train/session.h"
#include "gigatrain/train/tokenize_files.h"
#include "gigatrain/train/tokenizer.h"
#include "nn.h"

namespace gigatrain::python {

namespace {

using TokenizerPointer = std::shared_ptr<Tokenizer>;

TokenizerPointer open_tokenizer(const std::string& name) {
  return std::const_pointer_cast<Tokenizer>(make_tokenizer(name));  // has no mutable state
}

py::dict tokenize(const Tokenizer& tokenizer, const std::vector<std::string>& inputs,
                  const std::string& output, double val_fraction) {
  TokenizeReport report;
  {
    const py::gil_scoped_release unlocked;
    report = tokenize_files(tokenizer,
                            {.inputs = inputs, .output = output, .val_fraction = val_fraction});
  }
  py::dict out;
  out["text_bytes"] = report.text_bytes;
  out["documents"] = report.documents;
  out["train"] = report.train.path;
  out["val"] = report.val.path;
  return out;
}

void bind_tokenizer(py::module_& m) {
  py::classh<Tokenizer>(m, "Tokenizer", "Text to token ids and back. Made by tokenizer().")
      .def_property_readonly("name", &Tokenizer::name, "\"byte\", ...")
      .def_property_readonly("vocab_size", &Tokenizer::vocab_size, "Number of ids.")
      .def_property_readonly("eot", &Tokenizer::eot, "The id that ends a document, or None.")
      .def(
          "encode", [](const Tokenizer& t, const std::string& text) { return t.encode(text); },
          py::arg("text"), "Token ids of a text; special tokens in it are plain text.")
      .def(
          "decode",
          [](const Tokenizer& t, const std::vector<std::int32_t>& ids) {
            Utf8Stream stream;
            const std::string text = stream.push(t.decode(ids));
            return text + stream.finish();
          },
          py::arg("ids"), "The text of ids; bytes that make no character become U+FFFD.")
      .def("to_json", &Tokenizer::to_json, "A Hugging Face tokenizer.json.")
      .def("sha256", &Tokenizer::sha256, "Of to_json(): its identity in shards.");
  m.def("tokenizer", &open_tokenizer, py::arg("name") = "byte",
        "The tokenizer of this name. Raises InvalidArgument for others.");
  m.def("tokenize_files", &tokenize, py::arg("tokenizer"), py::arg("inputs"), py::arg("output"),
        py::kw_only(), py::arg("val_fraction") = 0.1,
        "Text files (.txt, .jsonl) to token shards output/train.bin and output/val.bin; the last "
        "val_fraction of the text, in bytes, is val. Returns their paths, and what was read.");
}

}  // namespace

void bind_text(py::module_& m) {
  bind_tokenizer(m);
  m.def(
      "generate",
      [](nn::LanguageModel& model, const std::vector<std::int32_t>& prompt, std::int64_t max_tokens,
         double temperature, std::int64_t top_k, double top_p, std::uint64_t seed,
         std::int32_t stop_token) {
        return generate(model, device_of(model), prompt,
                        {.max_tokens = max_tokens,
                         .temperature = temperature,
                         .top_k = top_k,
                         .top_p = top_p,
                         .seed = seed,
                         .stop_token = stop_token});
      },
      Unlocked(), py::arg("model"), py::arg("prompt"), py::kw_only(), py::arg("max_tokens") = 200,
      py::arg("temperature") = 0.8, py::arg("top_k") = 0, py::arg("top_p") = 1.0,
      py::arg("seed") = 1, py::arg("stop_token") = -1,
      "Token ids that continue a prompt of at least one id. temperature 0: always the most likely "
      "token. top_k: keep so many; 0: all. top_p: keep the smallest set with this probability "
      "(arXiv:1904.09751). Token i is a pure function of (weights, prompt, options).");

  py::class_<LoadedModel>(m, "LoadedModel", "What load_model() found.")
      .def_readonly("model", &LoadedModel::model, "A LanguageModel with its values.")
      .def_property_readonly(
          "tokenizer",
          [](const LoadedModel& l) { return std::const_pointer_cast<Tokenizer>(l.tokenizer); },
          "Its tokenizer, or None when unknown.")
      .def_readonly("config", &LoadedModel::config,
                    "The run's; defaults for a Hugging Face folder.")
      .def_readonly("folder", &LoadedModel::folder, "What was opened.")
      .def_readonly("step", &LoadedModel::step, "Of the checkpoint; -1 for another folder.");
  m.def(
      "load_model",
      [](const std::string& path, Device* device, DType compute) {
        Device& d = device_or_default(device);
        const py::gil_scoped_release unlocked;
        return load_model(d, path, compute);
      },
      py::arg("path"), py::arg("device") = py::none(), py::kw_only(),
      py::arg("compute") = DType::f32,
      "A trained model: a run folder, a ckpt/ folder or a step of it, or a Hugging Face folder.");
}

}  // namespace gigatrain::python
