#include "gigatrain/train/config.h"

#include <catch2/catch.hpp>

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "gigatrain/base/error.h"

using namespace gigatrain;
using Catch::Matchers::Contains;

namespace {

const std::string kSmall = R"(
[model]
n_layer = 2
[data]
train = "data/train.bin"
[train]
steps = 10
)";

std::string problem(const std::string& text, const std::vector<std::string>& overrides = {},
                    ErrorCode code = ErrorCode::invalid_argument) {
  try {
    parse_config(text, "a.toml", overrides);
  } catch (const Error& e) {
    CHECK(e.code() == code);
    return e.what();
  }
  return "no error";
}

std::string read(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("configuration: only a model, data.train and train.steps are required",
          "[unit][train][config]") {
  const Config c = parse_config(kSmall, "a.toml");
  CHECK(c.model.n_layer == 2);
  CHECK(c.model.n_head == 12);
  CHECK(c.data.train == std::vector<std::string>{"data/train.bin"});
  CHECK(c.train.micro_batch == 4);
  CHECK(c.train.leaves == 0);
  CHECK(c.run.name == "run");
  const std::string empty = problem("");
  CHECK_THAT(empty, Contains("section [model] is required"));
  CHECK_THAT(empty, Contains("data.train is required"));
  CHECK_THAT(empty, Contains("train.steps is required"));
  CHECK_THAT(empty, Contains("3 problems"));
}

TEST_CASE("configuration: keys with types and defaults are frozen", "[unit][train][config]") {
  const auto tests = std::filesystem::path(GIGATRAIN_TEST_DATA).parent_path();
  const auto golden = tests / "train/golden/config_fields.txt";
  CHECK(config_fields() == read(golden));
}

TEST_CASE("configuration: the reference lists every key as it is", "[unit][train][config]") {
  const auto root = std::filesystem::path(GIGATRAIN_TEST_DATA).parent_path().parent_path();
  CHECK_THAT(read(root / "docs/reference.md"), Contains(config_markdown()));
}

TEST_CASE("configuration: an unknown key names section, line and nearest key",
          "[unit][train][config]") {
  const std::string text =
      problem("[model]\nn_heads = 4\nlr = 1.0\n[optm]\nx = 1\n[data]\ntrain = 'x'\nxyzzy = 1\n");
  CHECK_THAT(text, Contains("a.toml:2: unknown key 'n_heads' in [model]; did you mean 'n_head'?"));
  CHECK_THAT(text, Contains("a.toml:3: unknown key 'lr' in [model]; it belongs to [optim]"));
  CHECK_THAT(text, Contains("a.toml:4: unknown section [optm]; did you mean 'optim'?"));
  CHECK_THAT(text, Contains("a.toml:8: unknown key 'xyzzy' in [data]; the nearest valid name is"));
  CHECK_THAT(text, Contains("train.steps is required"));
  CHECK_THAT(problem("steps = 3\n" + kSmall), Contains("a.toml:1: key 'steps' stands outside"));
}

TEST_CASE("configuration: wrong types and values out of range", "[unit][train][config]") {
  const std::string text = problem(R"(
[model]
n_layer = -1
dropout = nan
tie = 1
[data]
train = [1, 2]
val = ""
[train]
steps = "ten"
seq_len = 2.0
seed = -3
[optim]
lr = inf
beta2 = 1.0
name = "adam"
)");
  CHECK_THAT(text, Contains("a.toml:3: model.n_layer must be >= 1 and <= 10000, got -1"));
  CHECK_THAT(text, Contains("a.toml:4: model.dropout must be >= 0 and < 1, got nan"));
  CHECK_THAT(text, Contains("a.toml:5: model.tie must be of type boolean, got integer 1"));
  CHECK_THAT(text,
             Contains("a.toml:7: data.train must be of type list of strings, got array with"));
  CHECK_THAT(text,
             Contains("a.toml:8: data.val must be a list of texts that are not empty, got \"\""));
  CHECK_THAT(text, Contains("a.toml:10: train.steps must be of type integer, got string \"ten\""));
  CHECK_THAT(text, !Contains("train.steps is required"));
  CHECK_THAT(text, Contains("a.toml:11: train.seq_len must be of type integer, got number 2.0"));
  CHECK_THAT(text, Contains("a.toml:12: train.seed must be >= 0, got -3"));
  CHECK_THAT(text, Contains("a.toml:14: optim.lr must be > 0 and <= 1000, got inf"));
  CHECK_THAT(text, Contains("a.toml:15: optim.beta2 must be >= 0 and < 1, got 1.0"));
  CHECK_THAT(text, Contains("a.toml:16: optim.name must be one of adamw, sgd, lion, muon"));
}

TEST_CASE("configuration: parameter groups are text, and read at once", "[unit][train][config]") {
  const std::string good = kSmall + "[optim]\ngroups = ['*.wte.*: lr=0.1, decay=0', 'h.*: lr=2']\n";
  CHECK(parse_config(good, "a.toml").optim.groups.size() == 2);
  const std::string text =
      problem(kSmall + "[optim]\ngroups = ['wte', 'a: lr=x']\n[schedule]\ndecay = 0\n");
  CHECK_THAT(text, Contains("a.toml:9: optim.groups: a group must be 'PATTERN: lr=FACTOR, "
                            "decay=VALUE', got 'wte'"));
  CHECK_THAT(text, Contains("lr must be a number of at least 0, got 'x'"));
  CHECK_THAT(text, Contains("schedule.decay must be > 0 and <= 1, got 0"));
}

TEST_CASE("configuration: f16 and its loss scale", "[unit][train][config]") {
  const auto with = [](const char* keys) { return kSmall + "[precision]\n" + keys; };
  const Config c = parse_config(with("compute = 'f16'\nloss_scale = 1024\n"), "a.toml");
  CHECK(c.precision.loss_scale == 1024.0);
  CHECK(parse_config(with("compute = 'f16'\n"), "a.toml").precision.loss_scale == 0.0);
  CHECK_THAT(problem(with("compute = 'f16'\nloss_scale = 1000\n")),
             Contains("precision.loss_scale must be a power of two of at least 2^-14, or 0 for a "
                      "dynamic one, got 1000"));
  CHECK_THAT(
      problem(with("loss_scale = 1024\n")),
      Contains("precision.loss_scale = 1024 needs precision.compute = \"f16\", got \"f32\""));
  CHECK_THAT(problem(with("compute = 'f16'\nloss_scale = -2\n")), Contains("must be >= 0"));
  CHECK_THAT(problem(with("compute = 'f16'\nparams = 'f16'\n")),
             Contains("precision.params must be one of f32, bf16"));
  CHECK_THAT(problem(with("compute = 'f16'\nparams = 'bf16'\n")),
             Contains("precision.params = \"bf16\" needs precision.compute = \"bf16\""));
}

TEST_CASE("configuration: sizes that do not divide print their numbers", "[unit][train][config]") {
  const std::string text = problem(
      kSmall, {"model.n_embd=100", "model.n_kv_head=5", "train.global_batch=10",
               "train.micro_batch=4", "schedule.warmup=11", "train.leaves=3", "run.name=../x"});
  CHECK_THAT(text, Contains("model.n_embd = 100 must be a multiple of model.n_head = 12"));
  CHECK_THAT(text, Contains("model.n_head = 12 must be a multiple of model.n_kv_head = 5"));
  CHECK_THAT(text, Contains("train.global_batch = 10 must be a multiple of train.micro_batch = 4"));
  CHECK_THAT(text, Contains("schedule.warmup = 11 must not exceed train.steps = 10"));
  CHECK_THAT(text, Contains("train.leaves must be a power of two, got 3"));
  CHECK_THAT(text, Contains("run.name must be letters"));
  CHECK_THAT(problem(kSmall, {"train.global_batch=12", "train.micro_batch=2", "train.leaves=4"}),
             Contains("got 12 = 4 * 1.5 * 2"));
}

TEST_CASE("configuration: a batch ramp is checked with its leaves", "[unit][train][config][ramp]") {
  const auto told = [](const char* ramp, const char* leaves) {
    return problem(kSmall, {fmt::format("train.batch_ramp={}", ramp), leaves});
  };
  CHECK_THAT(told("[\"0: 4\"]", "train.leaves=0"),
             Contains("train.batch_ramp counts leaves: train.leaves must be given"));
  CHECK_THAT(told("[\"0: 4\", \"9\"]", "train.leaves=4"),
             Contains("train.batch_ramp: a ramp's point must be 'STEP: LEAVES', got '9'"));
  CHECK_THAT(told("[\"1: 4\"]", "train.leaves=4"),
             Contains("train.batch_ramp: a ramp must begin at step 0, got 1"));
  CHECK_THAT(told("[\"0: 2\", \"5: 8\"]", "train.leaves=4"), Contains("got 8 from step 5 on"));
  CHECK(told("[\"0: 2\", \"5: 4\"]", "train.leaves=4") == "no error");
}

TEST_CASE("configuration: the later override wins", "[unit][train][config]") {
  const Config c = parse_config(
      kSmall, "a.toml",
      {"optim.lr=1", "optim.lr=2e-3", "run.name=2024", "train.sample_prompt=\"a\\nb\"",
       "data.val=x.bin", "data.train=[\"p\", \"q\"]", "model.tie=false", "train.steps=1_000"});
  CHECK(c.optim.lr == 2e-3);
  CHECK(c.run.name == "2024");
  CHECK(c.train.sample_prompt == "a\nb");
  CHECK(c.data.val == std::vector<std::string>{"x.bin"});
  CHECK(c.data.train == std::vector<std::string>{"p", "q"});
  CHECK_FALSE(c.model.tie);
  CHECK(c.train.steps == 1000);
  const std::string text = problem(kSmall, {"optim.l=1", "steps=3", "optim.lr=fast", "nope.x=1"});
  CHECK_THAT(text, Contains("override 'optim.l=1': unknown key 'l' in [optim]"));
  CHECK_THAT(text, Contains("override 'steps=3': must read section.key=value"));
  CHECK_THAT(text, Contains("optim.lr must be of type number, got string \"fast\""));
  CHECK_THAT(text, Contains("override 'nope.x=1': unknown section [nope]"));
}

TEST_CASE("configuration: more than one rank is unsupported in this build",
          "[unit][train][config]") {
  const std::string text =
      problem(kSmall, {"parallel.tp=2", "parallel.zero=1"}, ErrorCode::unsupported);
  CHECK_THAT(text, Contains("parallel.tp = 2: this build serves only 1"));
  CHECK(parse_config(kSmall, "a.toml", {"parallel.dp=1"}).parallel.dp == 1);
}

TEST_CASE("configuration: bad syntax names line and column", "[unit][train][config]") {
  CHECK_THAT(problem("[model]\nn_layer = = 2\n"), Contains("a.toml:2:11: not TOML"));
  CHECK_THAT(problem("[model]\nn_layer = 1\nn_layer = 2\n"), Contains("a.toml:3"));
  CHECK_THAT(problem("[run]\nname = \"\xff\"\n"), Contains("not TOML"));
  CHECK_THAT(problem("x = " + std::string(100000, '[')), Contains("not TOML"));
}

TEST_CASE("configuration: the resolved TOML reads back to itself", "[unit][train][config]") {
  Config c = parse_config(kSmall, "a.toml");
  c.optim.lr = 1.0 / 3;
  c.optim.eps = 1e-12;
  c.train.sample_prompt = "a\"\\\n\t\x01 \xc3\xa9";
  c.data.val = {"x", "y \"z\""};
  const std::string text = to_toml(c);
  const Config again = parse_config(text, "resolved");
  CHECK(to_toml(again) == text);
  CHECK(again.optim.lr == 1.0 / 3);
  CHECK(again.train.sample_prompt == c.train.sample_prompt);
  CHECK_THAT(to_json(c), Contains("\"steps\": 10"));
  CHECK_THAT(config_help(), Contains("optim.beta2"));
}

TEST_CASE("configuration: a Config filled by a program is checked too", "[unit][train][config]") {
  Config c = parse_config(kSmall, "a.toml");
  CHECK_NOTHROW(validate(c));
  c.optim.lr = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(validate(c), Contains("optim.lr must be > 0 and <= 1000, got nan"));
}

TEST_CASE("configuration: files that cannot be read", "[unit][train][config]") {
  CHECK_THROWS_WITH(load_config("/nonexistent/a.toml"), Contains("No such file"));
  CHECK_THROWS_WITH(load_config("/"), Contains("it is a folder"));
  CHECK_THROWS_WITH(load_config("/dev/zero"), Contains("not a regular file"));
}

TEST_CASE("configuration: a run is named after its file", "[unit][train][config]") {
  const auto path = std::filesystem::temp_directory_path() / "gigatrain_bible.toml";
  std::ofstream(path) << kSmall;
  CHECK(load_config(path.string()).run.name == "gigatrain_bible");
  CHECK(load_config(path.string(), {"run.name=other"}).run.name == "other");
  std::filesystem::remove(path);
}

TEST_CASE("configuration: default leaves", "[unit][train][config]") {
  CHECK(default_leaves(64, 4) == 16);
  CHECK(default_leaves(512, 4) == 16);
  CHECK(default_leaves(24, 4) == 2);
  CHECK(default_leaves(5, 1) == 1);
  CHECK(default_leaves(64, 1, 2'000'000'000) == 4);
  CHECK(default_micro_batch(16) == 4);
  CHECK(default_micro_batch(6) == 3);
  CHECK(default_micro_batch(7) == 1);
}
