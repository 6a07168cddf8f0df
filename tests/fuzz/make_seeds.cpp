// Writes the seeds of tests/fuzz/corpus/, with the library's own writers where it has one:
//   build/fuzz/bin/make_fuzz_seeds tests/fuzz/corpus     (from the folder of the project)
#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "train/checkpoint_files_internal.h"
#include "train/safetensors_internal.h"
#include "train/shard_internal.h"

using namespace gigatrain;
namespace fs = std::filesystem;

namespace {

std::string root;

void seed(const std::string& name, const std::string& bytes) {
  fs::create_directories(fs::path(root + "/" + name).parent_path());
  std::ofstream(root + "/" + name, std::ios::binary) << bytes;
}

template <class T>
std::string packed(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

void safetensors() {
  fs::create_directories(root + "/safetensors");
  std::array<float, 6> weights{1, 2, 3, 4, 5, 6};
  const NamedView f32{"h.weight", {weights.data(), DType::f32, {2, 3}}};
  const NamedView f16{"h.bias", {weights.data(), DType::bf16, {3}}};
  const NamedView none{"empty", {weights.data(), DType::i64, {0, 4}}};
  const std::vector<NamedView> some{f32, f16, none};
  write_safetensors(root + "/safetensors/tensors", some, {{"format", "pt"}});
  write_safetensors(root + "/safetensors/empty", {}, {});
}

void checkpoint() {
  Manifest manifest;
  seed("manifest/empty", manifest_to_json(manifest));
  manifest.step = 1000;
  const std::string hash(64, '0');
  manifest.files = {{"config.json", {24, hash}}, {"model-00001-of-00001.safetensors", {96, hash}}};
  Manifest::Record record;
  record.dtype = "F32";
  record.shape = {2, 3};
  record.slices = {{"model-00001-of-00001.safetensors", 0, 6}};
  manifest.tensors = {{"h.weight", record}};
  seed("manifest/tensor", manifest_to_json(manifest));
  TrainState state;
  seed("train_state/fresh", state_to_json(state));
  state.best_eval_loss = 0.1 + 0.2;
  state.algorithms = {{"gemm 1", "7"}};
  state.config = "[train]\nsteps = 9\n";
  seed("train_state/later", state_to_json(state));
}

void texts() {
  seed("json/values", R"({"a": [1, -2, 0.5, 1e-3, "\u00e9\n", true, null], "b": {"c": {}}})");
  seed("json/index", R"({"metadata": {"total_size": 24}, "weight_map": {"h.w": "a.safetensors"}})");
  ShardSidecar sidecar;
  sidecar.tokens = 500;
  sidecar.eot = 256;
  sidecar.scan = TokenScan{1, 2, 255};
  seed("json/sidecar", shard::sidecar_json(sidecar));
  fs::create_directories(root + "/config");
  fs::copy_file("examples/recipes/bible.toml", root + "/config/recipe",
                fs::copy_options::overwrite_existing);
  seed("config/values",
       "a = 1\n[b]\nc = 0x1F\nd = 1e3\ne = ['x', \"y\\u00e9\"]\nf = 1979-05-27T07:32:00Z\n"
       "g = '''\nlong'''\n[[h]]\ni = {j = inf, k = nan}\nl.m = true\n");
}

void shards() {
  for (const std::int64_t vocab : {257, 100000}) {
    const std::string path = root + "/token_shard/vocab" + std::to_string(vocab);
    fs::create_directories(root + "/token_shard");
    ShardWriter writer(path, vocab);
    writer.append(std::vector<std::int32_t>{1, 2, 256, 0});
    writer.finish({});
    fs::remove(shard::sidecar_path(path));
  }
  seed("token_shard/nanogpt", packed<std::uint16_t>({1, 2, 50256}));
  // Sequences of 4 and 6 tokens of 2 bytes, two document marks.
  seed("megatron_index/pair", packed<std::uint16_t>({20}) + std::string("MMIDIDX\0\0", 9) +
                                  packed<std::uint64_t>({1}) + '\x8' +
                                  packed<std::uint64_t>({2, 2}) + packed<std::int32_t>({4, 6}) +
                                  packed<std::int64_t>({0, 8}) + packed<std::int64_t>({0, 2}));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  root = argv[1];
  safetensors();
  checkpoint();
  texts();
  shards();
}
