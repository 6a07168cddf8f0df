// Text files to token shards: FOLDER/train.bin and FOLDER/val.bin with their sidecars.
//   .txt    one document a file
//   .jsonl  one document a line: "text"; or "prompt" and "completion", joined as they are; or
//           "messages", each as "role: content" and a line feed
// Each document is followed by the tokenizer's end-of-text token. The last `val_fraction` of the
// text, counted in bytes over all documents in order, becomes val.bin: text never trained on.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gigatrain/train/shard.h"
#include "gigatrain/train/tokenizer.h"

namespace gigatrain {

struct TokenizeOptions {
  std::vector<std::string> inputs;
  std::string output;  // folder, made when missing
  double val_fraction = 0.1;
  std::function<void(std::int64_t done, std::int64_t total)> progress = {};  // bytes of text
};

struct TokenizedSplit {
  std::string path;  // empty when the split has no text
  ShardSidecar sidecar;
};

struct TokenizeReport {
  std::int64_t text_bytes = 0, documents = 0;
  TokenizedSplit train, val;
};

TokenizeReport tokenize_files(const Tokenizer& tokenizer, const TokenizeOptions& options);

}  // namespace gigatrain
