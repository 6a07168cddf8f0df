// Checkpoint folders: what is written comes back, what is damaged is refused.
#include "gigatrain/train/checkpoint_files.h"

#include <fmt/format.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "gigatrain/base/error.h"
#include "train/checkpoint_files_internal.h"
#include "train/tiny_checkpoint.h"

using namespace gigatrain;
using namespace gigatrain::testing;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> step_names(const std::string& root) {
  std::vector<std::string> names;
  for (const auto& entry : list_checkpoints(root)) names.push_back(entry.name);
  return names;
}

void flip(std::string& bytes, std::size_t at, int bit) {
  bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
}

}  // namespace

TEST_CASE("checkpoint: everything comes back", "[unit]") {
  const TemporaryFolder run;
  TinyState tiny;
  CheckpointContents contents = tiny.at(1000);
  contents.state.best_eval_loss = 0.1 + 0.2;
  contents.state.loss_scale = 0x1p-1074;
  contents.state.loss_scale_good_steps = 1999;
  contents.state.leaves = 8;
  contents.state.run_name = "b\xc3\xa4r \"quoted\"\n";
  contents.state.algorithms = {{"gemm 1", "7"}};
  const std::string folder = write_checkpoint(run / "ckpt", contents, {.is_best = true});
  CHECK(folder == run / "ckpt" + "/step_00001000");

  for (const std::string& path : {folder, run / "ckpt", run.path()}) {
    const Checkpoint c = Checkpoint::open(path);
    CHECK(c.folder() == folder);
    CHECK(c.state().step == 1000);
    CHECK(c.state().tokens == 64000);
    CHECK(c.state().seed == 0xfedcba9876543210u);
    CHECK(c.state().best_eval_loss == 0.1 + 0.2);
    CHECK(c.state().loss_scale == 0x1p-1074);
    CHECK(c.state().loss_scale_good_steps == 1999);
    CHECK(c.state().leaves == 8);
    CHECK(c.state().run_name == contents.state.run_name);
    CHECK(c.state().config == contents.state.config);
    CHECK(c.state().algorithms == contents.state.algorithms);
    CHECK(c.config_json() == contents.config_json);
    CHECK(c.tokenizer_json() == "{}");
    CHECK(c.model().names() == std::vector<std::string>{"h.bias", "h.weight"});
    CHECK(c.tensors().size() == 4);
    CHECK(first_weight(c) == 1000);
  }
  const auto report = verify_checkpoint(run.path());
  CHECK(report.problems.empty());
  CHECK(report.tensors == 4);
  CHECK(report.state_digest != 0);
}

TEST_CASE("checkpoint: names of files are those of the documentation", "[unit]") {
  const TemporaryFolder root;
  TinyState tiny;
  const std::string folder = write_checkpoint(root / "ckpt", tiny.at(5), {.max_file_bytes = 24});
  CHECK(names_in(folder) ==
        std::vector<std::string>{"config.json", "manifest.json", "model-00001-of-00002.safetensors",
                                 "model-00002-of-00002.safetensors", "model.safetensors.index.json",
                                 "optim-00000-of-00001.safetensors", "state.json",
                                 "tokenizer.json"});
  CHECK(ModelFiles::open(folder).names().size() == 2);  // as Hugging Face's index says
  CHECK(root.read("ckpt/LATEST") == "step_00000005\n");
  CHECK(names_in(root / "ckpt") == std::vector<std::string>{"LATEST", "step_00000005"});
}

TEST_CASE("checkpoint: the same state gives the same bytes", "[unit]") {
  const TemporaryFolder a, b;
  TinyState tiny;
  CheckpointContents contents = tiny.at(3);
  const std::string first = write_checkpoint(a / "ckpt", contents);
  std::swap(contents.model[0], contents.model[1]);
  const std::string second = write_checkpoint(b / "ckpt", contents);
  for (const auto& name : names_in(first)) {
    INFO(name);
    CHECK(a.read("ckpt/step_00000003/" + name) == b.read("ckpt/step_00000003/" + name));
  }
}

TEST_CASE("checkpoint: the newest `keep` stay, and the best", "[unit]") {
  const TemporaryFolder root;
  TinyState tiny;
  const std::string ckpt = root / "ckpt";
  for (std::int64_t step = 1; step <= 5; ++step)
    write_checkpoint(ckpt, tiny.at(step), {.keep = 2, .is_best = step == 2});
  CHECK(step_names(ckpt) ==
        std::vector<std::string>{"step_00000002", "step_00000004", "step_00000005"});
  const auto entries = list_checkpoints(root.path());
  CHECK(entries[0].best);
  CHECK(entries[2].latest);
  CHECK(entries[2].step == 5);
  // A run that went back to step 2 continues from there; it must not lose what it writes.
  write_checkpoint(ckpt, tiny.at(3), {.keep = 1});
  CHECK(Checkpoint::open(ckpt).state().step == 3);
  CHECK(newest_whole(ckpt).state().step == 3);
}

TEST_CASE("checkpoint: those of every so many steps stay for good", "[unit]") {
  const TemporaryFolder root;
  TinyState tiny;
  for (std::int64_t step = 1; step <= 9; ++step)
    write_checkpoint(root / "ckpt", tiny.at(step), {.keep = 2, .keep_every = 3});
  CHECK(step_names(root / "ckpt") == std::vector<std::string>{"step_00000003", "step_00000006",
                                                              "step_00000008", "step_00000009"});
}

TEST_CASE("checkpoint: saving a step again replaces it", "[unit]") {
  const TemporaryFolder root;
  TinyState tiny;
  write_checkpoint(root / "ckpt", tiny.at(7));
  CheckpointContents again = tiny.at(7);
  tiny.weight[0] = -7;
  const std::string folder = write_checkpoint(root / "ckpt", again);
  CHECK(first_weight(Checkpoint::open(folder)) == -7);
  CHECK(names_in(root / "ckpt") == std::vector<std::string>{"LATEST", "step_00000007"});
}

TEST_CASE("checkpoint: a bad request is refused before anything is written", "[unit]") {
  const TemporaryFolder root;
  TinyState tiny;
  CHECK_THROWS_WITH(write_checkpoint(root / "c", tiny.at(-1)), Contains("at least 0, got -1"));
  CHECK_THROWS_WITH(write_checkpoint(root / "c", tiny.at(1), {.keep = 0}), Contains("keep"));
  CHECK(names_in(root.path()).empty());
  CHECK_THROWS_WITH(write_checkpoint(root / "no/ckpt", tiny.at(1)), Contains("cannot create"));
  CheckpointContents twice = tiny.at(1);
  twice.optimizer[0].name = "h.bias";
  CHECK_THROWS_WITH(write_checkpoint(root / "c", twice), Contains("named 'h.bias'"));
  CHECK(names_in(root / "c").empty());
}

TEST_CASE("checkpoint: every flipped bit of a file is refused", "[unit]") {
  const TemporaryFolder root;
  TinyState tiny;
  const std::string folder = write_checkpoint(root / "ckpt", tiny.at(4));
  for (const auto& name : names_in(folder)) {
    if (name == kManifest) continue;
    const std::string file = "ckpt/step_00000004/" + name, whole = root.read(file);
    for (std::size_t at = 0; at < whole.size(); ++at) {
      std::string bytes = whole;
      flip(bytes, at, static_cast<int>(at % 8));
      root.write(file, bytes);
      INFO(name << ", byte " << at);
      CHECK_THROWS_AS(Checkpoint::open(folder), Error);
    }
    root.write(file, whole);
  }
  CHECK(Checkpoint::open(folder).state().step == 4);
}

// "" if refused, else what was understood.
std::string understood(const std::string& manifest) {
  try {
    return manifest_to_json(manifest_from_json(manifest, "manifest.json"));
  } catch (const Error&) {
    return {};
  }
}

TEST_CASE("checkpoint: every flipped bit of the manifest is refused", "[unit]") {
  const TemporaryFolder root;
  TinyState tiny;
  write_checkpoint(root / "ckpt", tiny.at(4));
  const std::string whole = root.read("ckpt/step_00000004/manifest.json");
  REQUIRE(understood(whole) == whole);
  for (std::size_t at = 0; at < whole.size() * 8; ++at) {
    std::string bytes = whole;
    flip(bytes, at / 8, static_cast<int>(at % 8));
    INFO("bit " << at);
    CHECK(understood(bytes).empty());
  }
}

TEST_CASE("checkpoint: a manifest cut short is refused", "[unit]") {
  const TemporaryFolder root;
  TinyState tiny;
  write_checkpoint(root / "ckpt", tiny.at(4));
  const std::string whole = root.read("ckpt/step_00000004/manifest.json");
  for (std::size_t n = 0; n < whole.size(); ++n) CHECK(understood(whole.substr(0, n)).empty());
}

TEST_CASE("checkpoint: LATEST cannot lead elsewhere", "[unit]") {
  const TemporaryFolder root;
  TinyState tiny;
  const std::string ckpt = root / "ckpt";
  write_checkpoint(ckpt, tiny.at(4));
  const std::vector<std::string> bad = {"",
                                        "\n",
                                        "..",
                                        "../../etc",
                                        "step_4",
                                        "step_00000004/..",
                                        "step_000000004",
                                        "step_00000004\n\n",
                                        "step_0000000x",
                                        std::string("step_00000004\0", 14),
                                        std::string(1000, 'a')};
  for (const auto& text : bad) {
    INFO(text);
    root.write("ckpt/LATEST", text);
    CHECK_THROWS_AS(Checkpoint::open(ckpt), Error);
    CHECK(newest_whole(ckpt).state().step == 4);
  }
  root.write("ckpt/LATEST", "step_00000009\n");
  CHECK_THROWS_WITH(Checkpoint::open(ckpt), Contains("no checkpoint folder"));
  for (std::size_t at = 0; at < 14; ++at)
    for (int bit = 0; bit < 8; ++bit) {
      std::string text = "step_00000004\n";
      flip(text, at, bit);
      root.write("ckpt/LATEST", text);
      CHECK_THROWS_AS(Checkpoint::open(ckpt), Error);
    }
  ::unlink((ckpt + "/LATEST").c_str());
  CHECK_THROWS_WITH(Checkpoint::open(ckpt), Contains("holds no checkpoint"));
}

TEST_CASE("checkpoint: errors name the file and what differs", "[unit]") {
  const TemporaryFolder root;
  TinyState tiny;
  const std::string folder = write_checkpoint(root / "ckpt", tiny.at(4));
  const std::string model = folder + "/model-00001-of-00001.safetensors";
  const auto size = fs::file_size(model);
  SECTION("missing") {
    fs::remove(model);
    CHECK_THROWS_WITH(Checkpoint::open(folder), Contains(model) && Contains("missing"));
  }
  SECTION("truncated: found without reading it") {
    fs::resize_file(model, size - 1);
    CHECK_THROWS_WITH(Checkpoint::open(folder, {.check_sha256 = false}),
                      Contains(model) && Contains("the manifest says " + std::to_string(size)));
  }
  SECTION("a link in its place") {
    fs::rename(model, root / "elsewhere");
    fs::create_symlink(root / "elsewhere", model);
    CHECK_THROWS_WITH(Checkpoint::open(folder), Contains(model) && Contains("link"));
  }
  SECTION("several are reported at once") {
    fs::remove(model);
    fs::resize_file(folder + "/state.json", 3);
    CHECK(verify_checkpoint(folder).problems.size() == 2);
  }
  SECTION("no manifest") {
    fs::remove(folder + "/manifest.json");
    CHECK_THROWS_WITH(Checkpoint::open(root.path()), Contains("manifest.json"));
    CHECK_THROWS_WITH(newest_whole(root.path()), Contains("none of them whole"));
  }
  SECTION("nothing there") {
    CHECK_THROWS_WITH(Checkpoint::open(root / "nothing"), Contains("holds no checkpoint"));
  }
}

TEST_CASE("checkpoint: verify finds a tensor that disagrees with its digest", "[unit]") {
  const TemporaryFolder root;
  TinyState tiny;
  const CheckpointContents contents = tiny.at(4);
  FileSystem& files = FileSystem::real();
  const std::string temporary = begin_checkpoint(files, root / "ckpt", 4);
  CheckpointPart part;
  part.files.push_back({"model-00001-of-00001.safetensors", kModelMetadata, {}});
  for (const auto& [name, view] : contents.model)
    part.files.back().tensors.push_back({name, view, view.shape, 0});
  Manifest manifest = write_part(files, temporary, part, 1);
  manifest.tensors["h.weight"].digest = 1;
  CheckpointTexts texts{contents.config_json, "", contents.state};
  texts.state.state_digest = 2;
  const auto report = verify_checkpoint(
      commit_checkpoint(files, root / "ckpt", temporary, {manifest}, texts, {}).folder);
  REQUIRE(report.problems.size() == 2);
  CHECK_THAT(report.problems[0], Contains("h.weight"));
  CHECK_THAT(report.problems[1], Contains("state's digest"));
}

namespace {

// As another version of the library would have written it.
std::string with_version(const std::string& manifest, int version) {
  auto json = nlohmann::json::parse(manifest);
  json["version"] = version;
  json["sha256"] = "";
  json["sha256"] = sha256(json.dump());
  return json.dump(2) + "\n";
}

}  // namespace

TEST_CASE("checkpoint: a manifest of a newer version says so", "[unit]") {
  CHECK_THROWS_WITH(manifest_from_json(with_version(manifest_to_json({}), 3), "m"),
                    Contains("version 3") && Contains("reads version 2"));
  CHECK_THROWS_WITH(manifest_from_json(R"({"format":"other","version":1})", "m"),
                    Contains("gigatrain.ckpt"));
}

TEST_CASE("checkpoint: as many tensors as a large mixture of experts has", "[unit]") {
  Manifest manifest;
  for (int i = 0; i < 40000; ++i)
    manifest.tensors[fmt::format("model.layers.{}.experts.{}.weight", i / 400, i % 400)] = {
        "F32", {2, 3}, 1, {{"optim-00000-of-00001.safetensors", 0, 6, 1}}};
  const std::string text = manifest_to_json(manifest);
  CHECK(manifest_from_json(text, "manifest.json").tensors.size() == 40000);
}

TEST_CASE("checkpoint: the newest one of a newer version is not passed over", "[unit]") {
  const TemporaryFolder root;
  TinyState tiny;
  for (const int step : {1, 2}) write_checkpoint(root / "ckpt", tiny.at(step));
  const std::string manifest = "ckpt/step_00000002/manifest.json";
  root.write(manifest, with_version(root.read(manifest), 9));
  CHECK_THROWS_WITH(newest_whole(root.path()), Contains("has checkpoint version 9"));
}

TEST_CASE("checkpoint: damage of the newest falls back to the one before", "[unit]") {
  const TemporaryFolder root;
  TinyState tiny;
  for (const int step : {1, 2, 3}) write_checkpoint(root / "ckpt", tiny.at(step), {.keep = 3});
  const std::string optim = "ckpt/step_00000003/optim-00000-of-00001.safetensors";
  std::string bytes = root.read(optim);
  flip(bytes, bytes.size() - 1, 0);
  root.write(optim, bytes);
  CHECK_THROWS_WITH(Checkpoint::open(root.path()),
                    Contains("SHA-256") && Contains("bytes 160 to 184, 'h.weight.exp_avg'"));
  std::vector<std::string> warnings;
  CHECK(newest_whole(root.path(), &warnings).state().step == 2);
  REQUIRE(warnings.size() == 1);
  CHECK_THAT(warnings[0], Contains("step_00000003") && Contains("optim-00000"));
}
