// The exception: what its text holds, in which order, and where it says it comes from.
#include "gigatrain/base/error.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <string>

namespace gigatrain {
namespace {

constexpr int kLine = __LINE__ + 2;
[[noreturn]] void refuse() {
  throw Error(ErrorCode::data, "tokens must be below 256, got 300", "x");
}

Error caught() {
  try {
    refuse();
  } catch (const Error& e) {
    return e;
  }
}

TEST_CASE("an error knows its code, message, next step and origin", "[unit][base]") {
  const Error e = caught();
  CHECK(e.code() == ErrorCode::data);
  CHECK(e.message() == "tokens must be below 256, got 300");
  CHECK(e.next() == "x");
  CHECK(std::strstr(e.location().file, "error_test.cpp") != nullptr);
  CHECK(e.location().line == kLine);
  CHECK(std::strstr(e.location().function, "refuse") != nullptr);
}

TEST_CASE("frames are added on the way up and stand in the text", "[unit][base]") {
  Error e = caught();
  e.add_frame("while reading 'a.bin'").add_frame("while making batch 3");
  const std::string text = e.what();
  const auto message = text.find("tokens must be");
  const auto inner = text.find("while reading 'a.bin'");
  const auto outer = text.find("while making batch 3");
  REQUIRE(outer != std::string::npos);
  CHECK(message < inner);
  CHECK(inner < outer);
  CHECK(e.frames().size() == 2);
}

}  // namespace
}  // namespace gigatrain
