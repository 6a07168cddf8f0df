// UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
#include <cstddef>

#include "gigatrain/train/tokenizer.h"

namespace gigatrain {
namespace {

constexpr const char* kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// Length that the first byte announces, 0 for a byte that starts nothing.
std::size_t announced(unsigned char c) {
  if (c < 0x80) return 1;
  if (c >= 0xC2 && c <= 0xDF) return 2;
  if (c >= 0xE0 && c <= 0xEF) return 3;
  if (c >= 0xF0 && c <= 0xF4) return 4;
  return 0;
}

// The second byte excludes overlong forms, surrogates and what lies above U+10FFFF.
bool second_fits(unsigned char first, unsigned char second) {
  if (first == 0xE0) return second >= 0xA0 && second <= 0xBF;
  if (first == 0xED) return second >= 0x80 && second <= 0x9F;
  if (first == 0xF0) return second >= 0x90 && second <= 0xBF;
  if (first == 0xF4) return second >= 0x80 && second <= 0x8F;
  return second >= 0x80 && second <= 0xBF;
}

struct Sequence {
  std::size_t good = 0;   // bytes that fit so far
  bool complete = false;  // a whole character
  bool cut = false;       // the text ends before the character does
};

Sequence sequence_at(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const std::size_t length = announced(byte(0));
  if (length == 0) return {};
  std::size_t good = 1;
  while (good < length && good < text.size() &&
         (good == 1 ? second_fits(byte(0), byte(1)) : (byte(good) & 0xC0) == 0x80))
    ++good;
  return {good, good == length, good < length && good == text.size()};
}

}  // namespace

std::string Utf8Stream::push(std::string_view bytes) {
  waiting_ += bytes;
  std::string out;
  std::string_view rest = waiting_;
  while (!rest.empty()) {
    const Sequence s = sequence_at(rest);
    if (s.cut) break;
    if (s.complete)
      out += rest.substr(0, s.good);
    else
      out += kReplacement;
    rest.remove_prefix(s.good ? s.good : 1);
  }
  waiting_.erase(0, waiting_.size() - rest.size());
  return out;
}

std::string Utf8Stream::finish() {
  const bool broken = !waiting_.empty();
  waiting_.clear();
  return broken ? kReplacement : "";
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const Sequence s = sequence_at(text);
    if (!s.complete) return false;
    text.remove_prefix(s.good);
  }
  return true;
}

}  // namespace gigatrain
