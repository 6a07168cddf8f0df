// Trains a small GPT on a text file, or on a built-in rhyme, and lets it write.
//
//   Run:    ./example_train_gpt [TEXT]        (about 20 seconds on two cores)
//   Expect: trained to [0-9.]+ nats a byte

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "gigatrain/gigatrain.h"

namespace {

constexpr const char* kRhyme =
    "This is the farmer sowing his corn, that kept the cock that crowed in the morn, that waked "
    "the "
    "priest all shaven and shorn, that married the man all tattered and torn, that kissed the "
    "maiden "
    "all forlorn, that milked the cow with the crumpled horn, that tossed the dog, that worried "
    "the "
    "cat, that killed the rat, that ate the malt that lay in the house that Jack built.\n";

std::string read_text(int argc, char** argv) {
  if (argc > 1) {
    std::ifstream in(argv[1], std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string text;
  for (int i = 0; i < 40; ++i) text += kRhyme;
  return text;
}

}  // namespace

int main(int argc, char** argv) try {
  // Text to a shard of tokens. `gigatrain data tokenize` does the same for files of any size.
  const auto tokenizer = gt::make_tokenizer("byte");
  const auto path = std::filesystem::temp_directory_path() / "gigatrain_example.bin";
  gt::ShardWriter writer(path, tokenizer->vocab_size());
  writer.append(tokenizer->encode(read_text(argc, argv)));
  writer.finish({});

  gt::Device device;  // every core of this process
  const auto model = gt::nn::gpt({.vocab_size = tokenizer->vocab_size(),
                                  .n_positions = 64,
                                  .n_layer = 3,
                                  .n_head = 4,
                                  .n_embd = 96});
  gt::nn::materialize(*model, device, {.seed = 1});
  gt::optim::AdamW adamw(gt::nn::named_parameters(*model));

  const gt::BatchShape batch{.micro_batch = 16, .seq_len = 64};
  const gt::TokenSource data({path}, {.seq_len = 64, .global_batch = batch.global_batch()});
  gt::Trainer trainer(*model, adamw, data,
                      {.batch = batch, .steps = 300, .schedule = {.lr = 3e-3f, .warmup = 20}});
  double loss = 0;
  trainer.on_step([&](const gt::StepReport& r) {
    loss = r.loss;
    if (r.step % 50 == 0)
      std::printf("step %3d  loss %.3f  %.0f ms\n", int(r.step), r.loss, r.step_ms);
  });
  trainer.fit();

  const auto ids = gt::generate(*model, device, tokenizer->encode("that "), {.max_tokens = 120});
  std::printf("that %s\n", tokenizer->decode(ids).c_str());
  std::printf("trained to %.3f nats a byte\n", loss);
  return 0;
} catch (const gt::Error& e) {
  std::fprintf(stderr, "error: %s\n", e.what());
  return 1;
}
