// The byte tokenizer, and its form as a Hugging Face tokenizer.json: a byte-level BPE without
// merges, so that `transformers` reads the same ids.
#include "gigatrain/train/tokenizer.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <nlohmann/json.hpp>

#include "gigatrain/base/error.h"

namespace gigatrain {
namespace {

constexpr std::int32_t kEndOfText = 256;
constexpr const char* kEndOfTextName = "<|endoftext|>";

// GPT-2's printable stand-in for each byte (Radford et al., 2019): the printable Latin-1 bytes
// stand for themselves, the others for U+0100, U+0101, ... in order.
std::array<std::string, 256> byte_characters() {
  std::array<std::string, 256> out;
  unsigned next = 0x100;
  for (unsigned b = 0; b < 256; ++b) {
    const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
    const unsigned code = printable ? b : next++;
    std::string& text = out[b];
    if (code < 0x80)
      text = static_cast<char>(code);
    else
      text = {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
  }
  return out;
}

nlohmann::ordered_json byte_level(const char* use) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", std::string(use) != "decoder"},
          {"use_regex", false}};
}

nlohmann::ordered_json added_token() {
  return {{"id", kEndOfText}, {"content", kEndOfTextName}, {"single_word", false},
          {"lstrip", false},  {"rstrip", false},           {"normalized", false},
          {"special", true}};
}

nlohmann::ordered_json byte_bpe() {
  nlohmann::ordered_json vocab;
  const auto characters = byte_characters();
  for (std::size_t b = 0; b < 256; ++b) vocab[characters[b]] = b;
  vocab[kEndOfTextName] = kEndOfText;
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"vocab", vocab},
          {"merges", nlohmann::ordered_json::array()}};
}

class ByteTokenizer : public Tokenizer {
 public:
  using Tokenizer::encode;
  std::string name() const override { return "byte"; }
  std::int64_t vocab_size() const override { return kEndOfText + 1; }
  std::optional<std::int32_t> eot() const override { return kEndOfText; }

  void encode(std::string_view text, std::vector<std::int32_t>& ids) const override {
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    ids.insert(ids.end(), bytes, bytes + text.size());
  }

  std::string decode(std::span<const std::int32_t> ids) const override {
    std::string out;
    for (const std::int32_t id : ids) {
      if (id >= 0 && id < 256)
        out += static_cast<char>(id);
      else if (id == kEndOfText)
        out += kEndOfTextName;
      else
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("a byte token must be in [0, {}], got {}", kEndOfText, id));
    }
    return out;
  }

  std::string to_json() const override {
    const nlohmann::ordered_json json = {
        {"version", "1.0"},
        {"truncation", nullptr},
        {"padding", nullptr},
        {"added_tokens", nlohmann::ordered_json::array({added_token()})},
        {"normalizer", nullptr},
        {"pre_tokenizer", byte_level("pre_tokenizer")},
        {"post_processor", nullptr},
        {"decoder", byte_level("decoder")},
        {"model", byte_bpe()}};
    return json.dump(2) + "\n";
  }
};

}  // namespace

std::vector<std::int32_t> Tokenizer::encode(std::string_view text) const {
  std::vector<std::int32_t> ids;
  encode(text, ids);
  return ids;
}

std::string Tokenizer::sha256() const {
  const std::string json = to_json();
  std::array<unsigned char, 32> digest{};
  if (!EVP_Digest(json.data(), json.size(), digest.data(), nullptr, EVP_sha256(), nullptr))
    throw Error(ErrorCode::unsupported, "the OpenSSL library refuses SHA-256");
  return fmt::format("{:02x}", fmt::join(digest, ""));
}

std::shared_ptr<const Tokenizer> make_tokenizer(const std::string& name) {
  if (name == "byte") return std::make_shared<ByteTokenizer>();
  throw Error(ErrorCode::invalid_argument,
              fmt::format("the tokenizer must be 'byte', got '{}'", name),
              "use data.tokenizer = \"byte\"");
}

}  // namespace gigatrain
