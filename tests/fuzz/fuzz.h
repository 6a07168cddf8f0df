// What every target does: it hands bytes to a reader of the library, which must read them or refuse
// them with an Error whose text is safe to print. Anything else (another exception, a byte outside
// the buffer, undefined behaviour, a value that does not survive writing and reading) is a finding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "gigatrain/base/error.h"

// libFuzzer's own mutation of bytes, for mutators that know the format.
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max);

namespace gigatrain::fuzz {

inline void require(bool holds, const char* promise, std::string_view about = {}) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s: %.*s\n", promise, static_cast<int>(about.size()), about.data());
  std::abort();
}

// A hostile name must not move the cursor of the terminal that shows an error, or flood it.
inline void require_printable(std::string_view text) {
  for (const char c : text)
    require(c == '\n' || (static_cast<unsigned char>(c) >= 32 && c != 127),
            "an error has no control characters", text);
  require(text.size() < 4096, "an error is short", text);
}

template <class Read>
void read_or_refuse(const std::uint8_t* data, std::size_t size, Read read) {
  try {
    read(std::string_view(reinterpret_cast<const char*>(data), size));
  } catch (const Error& e) {
    require_printable(e.what());
  }
}

// `rewrite` reads a text and writes what it understood; that must be its own last word.
template <class Rewrite>
void require_stable(const Rewrite& rewrite, std::string_view text, const char* promise) {
  const std::string written = rewrite(text);
  require(rewrite(written) == written, promise, written);
}

}  // namespace gigatrain::fuzz
