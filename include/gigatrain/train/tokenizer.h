// Text to token ids and back. `byte` is built in: ids 0..255 are the bytes, 256 is <|endoftext|>.
// A model's vocabulary may be larger than the tokenizer's (padding), never smaller.
//
//   auto tokenizer = gt::make_tokenizer("byte");
//   std::vector<std::int32_t> ids = tokenizer->encode("In the beginning");
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gigatrain {

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  virtual std::string name() const = 0;
  virtual std::int64_t vocab_size() const = 0;
  virtual std::optional<std::int32_t> eot() const = 0;  // ends a document
  // Text is always plain text: "<|endoftext|>" in it never becomes the special token.
  virtual void encode(std::string_view text, std::vector<std::int32_t>& append_to) const = 0;
  // Raw bytes: tokens may cut a character, see Utf8Stream. Special tokens give their name.
  virtual std::string decode(std::span<const std::int32_t> ids) const = 0;
  virtual std::string to_json() const = 0;  // a Hugging Face tokenizer.json

  std::vector<std::int32_t> encode(std::string_view text) const;
  std::string sha256() const;  // of to_json(), in hex: the tokenizer's identity in shards
};

// "byte"; throws Error(invalid_argument) for other names.
std::shared_ptr<const Tokenizer> make_tokenizer(const std::string& name);

// Turns a stream of bytes into valid UTF-8: a character cut between two pushes waits for its rest,
// a byte that can belong to no character becomes U+FFFD.
class Utf8Stream {
 public:
  std::string push(std::string_view bytes);
  std::string finish();  // what still waits is broken: U+FFFD

 private:
  std::string waiting_;
};

bool is_utf8(std::string_view bytes);

}  // namespace gigatrain
