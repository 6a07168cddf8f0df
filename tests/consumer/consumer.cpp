// Links the installed library and checks a few answers that are known.
#include <cstdio>

#include "gigatrain/base/error.h"
#include "gigatrain/base/hash.h"
#include "gigatrain/base/philox.h"
#include "gigatrain/base/shape.h"
#include "gigatrain/version.h"

int main() {
  constexpr gt::PhiloxBlock want = {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u};
  if (gt::philox4x32_10({}, {}) != want) return 1;
  if (gt::hash64("") != 0xef46db3751d8e999u) return 2;  // the published value of XXH64
  try {
    gt::Shape{-1};
    return 3;
  } catch (const gt::Error& e) {
    if (e.code() != gt::ErrorCode::invalid_argument) return 4;
  }
  const gt::Shape shape = {4, 128};
  std::printf("gigatrain %s: shape %s\n", GIGATRAIN_VERSION, shape.str().c_str());
  return shape.numel() == 512 ? 0 : 5;
}
