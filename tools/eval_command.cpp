// `gigatrain eval MODEL [DATA]`: loss on held-out text.

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "cli.h"
#include "gigatrain/train/evaluate.h"
#include "gigatrain/train/session.h"

namespace gigatrain::tools {

namespace {

struct Options {
  std::string model, compute = "f32";
  std::vector<std::string> data;
  std::int64_t micro_batch = 8, batches = 0;
};

int evaluate(const Globals& globals, const Options& options) {
  const auto device = make_device(globals);
  LoadedModel loaded = load_model(*device, options.model, parse_dtype(options.compute));
  if (!options.data.empty()) loaded.config.data.val = options.data;
  if (loaded.config.data.val.empty())
    throw Error(ErrorCode::invalid_argument, "there is no data to evaluate on",
                fmt::format("gigatrain eval {} data/val.bin", options.model));
  const TokenSource data =
      open_data(loaded.config, Split::val, loaded.tokenizer.get(), loaded.model->vocab_size(), 1);
  const Evaluation e =
      gigatrain::evaluate(*loaded.model, *device, data, options.micro_batch, options.batches);
  const double bits = e.loss / std::log(2.0);
  if (globals.json)
    fmt::print("{}\n", nlohmann::ordered_json{{"model", loaded.folder},
                                              {"step", loaded.step},
                                              {"loss", e.loss},
                                              {"bits_per_token", bits},
                                              {"tokens", e.terms}}
                           .dump());
  else
    fmt::print("{}: loss {:.4f} nats/token ({:.4f} bits, perplexity {:.2f}) over {} tokens\n",
               loaded.folder, e.loss, bits, std::exp(e.loss), e.terms);
  return kOk;
}

}  // namespace

void add_eval(CLI::App& app, const Globals& globals, Action& action) {
  auto* command = app.add_subcommand("eval", "loss of a model on held-out tokens");
  command->footer("Example: gigatrain eval runs/bible data/bible/val.bin");
  auto o = std::make_shared<Options>();
  command->add_option("model", o->model, "run folder, checkpoint or Hugging Face folder")
      ->required();
  command->add_option("data", o->data, "token shards; default: the run's data.val");
  command->add_option("--micro-batch", o->micro_batch, "sequences at a time")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 20))
      ->capture_default_str();
  command->add_option("--batches", o->batches, "at most so many micro-batches; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--compute", o->compute, "f32, bf16 or f16")->capture_default_str();
  command->callback(
      [&globals, &action, o] { action = [&globals, o] { return evaluate(globals, *o); }; });
}

}  // namespace gigatrain::tools
