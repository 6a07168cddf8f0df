// `gigatrain generate MODEL`: text from a run, a checkpoint or a Hugging Face folder.

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli.h"
#include "gigatrain/train/generate.h"
#include "gigatrain/train/session.h"

namespace gigatrain::tools {

namespace {

struct Options {
  std::string model, prompt = "\n";
  GenerateOptions generate;
  std::string compute = "f32";
};

int generate(const Globals& globals, const Options& options) {
  const auto device = make_device(globals);
  const LoadedModel loaded = load_model(*device, options.model, parse_dtype(options.compute));
  if (!loaded.tokenizer)
    throw Error(ErrorCode::unsupported,
                fmt::format("{} has no tokenizer that this build reads", loaded.folder),
                "generate from a run that was trained with data.tokenizer = \"byte\"");
  std::vector<std::int32_t> prompt = loaded.tokenizer->encode(options.prompt);
  if (prompt.empty()) prompt.push_back(loaded.tokenizer->eot().value_or(0));
  GenerateOptions o = options.generate;
  o.stop_token = loaded.tokenizer->eot().value_or(-1);
  const bool live = !globals.json;
  Utf8Stream utf8;
  std::string text = options.prompt;
  const auto show = [&](const std::string& piece) {
    text += piece;
    if (!live) return;
    std::fputs(piece.c_str(), stdout);
    std::fflush(stdout);
  };
  if (live) std::fputs(options.prompt.c_str(), stdout);
  const auto begin = std::chrono::steady_clock::now();
  const auto ids = gigatrain::generate(*loaded.model, *device, prompt, o, [&](std::int32_t id) {
    show(utf8.push(loaded.tokenizer->decode(std::span(&id, 1))));
    return true;
  });
  show(utf8.finish());
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const double rate = static_cast<double>(ids.size()) / seconds;
  if (globals.json)
    fmt::print(
        "{}\n",
        nlohmann::ordered_json{{"text", text}, {"tokens", ids.size()}, {"tokens_per_s", rate}}.dump(
            -1, ' ', false, nlohmann::json::error_handler_t::replace));
  else
    fmt::print("\n");
  if (!globals.quiet && live)
    fmt::print(stderr, "[{} tokens, {:.0f} tokens/s]\n", ids.size(), rate);
  return kOk;
}

}  // namespace

void add_generate(CLI::App& app, const Globals& globals, Action& action) {
  auto* command = app.add_subcommand("generate", "let a model write");
  command->footer(
      "Example: gigatrain generate runs/bible --prompt \"In the beginning\" --max-tokens 400");
  auto o = std::make_shared<Options>();
  command->add_option("model", o->model, "run folder, checkpoint or Hugging Face folder")
      ->required();
  command->add_option("--prompt", o->prompt, "text to continue");
  command->add_option("--max-tokens", o->generate.max_tokens, "how many tokens to write")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 30))
      ->capture_default_str();
  command->add_option("--temperature", o->generate.temperature, "0: always the most likely token")
      ->capture_default_str();
  command->add_option("--top-k", o->generate.top_k, "keep the k most likely tokens; 0: all")
      ->capture_default_str();
  command
      ->add_option("--top-p", o->generate.top_p,
                   "keep the likeliest tokens of this much probability")
      ->capture_default_str();
  command->add_option("--seed", o->generate.seed, "same seed, same text")->capture_default_str();
  command->add_option("--compute", o->compute, "f32, bf16 or f16")->capture_default_str();
  command->callback(
      [&globals, &action, o] { action = [&globals, o] { return generate(globals, *o); }; });
}

}  // namespace gigatrain::tools
