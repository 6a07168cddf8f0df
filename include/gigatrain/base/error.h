// The one exception type. A message states the rule, what was expected and what came;
// `next()` names the one thing to do about it; frames added on the way up say where
// ("while loading 'wte.weight'").
#pragma once

#include <exception>
#include <string>
#include <vector>

namespace gigatrain {

enum class ErrorCode {
  invalid_argument,  // the caller broke a rule (shapes, sizes, keys)
  unsupported,       // a valid request that this build or machine cannot serve
  out_of_memory,
  device,
  communication,
  timeout,
  io,         // the operating system refused (permission, no space, missing file)
  data,       // training data is missing, malformed or out of range
  corrupt,    // a file's contents contradict themselves or their digest
  cancelled,  // the user or a guard asked to stop
};

const char* name(ErrorCode code);

// Where an error was thrown. Not std::source_location, which clang 14 lacks with g++ 12's library.
struct SourceLocation {
  const char* file = "";
  int line = 0;
  const char* function = "";

  static constexpr SourceLocation current(const char* file = __builtin_FILE(),
                                          int line = __builtin_LINE(),
                                          const char* function = __builtin_FUNCTION()) {
    return {file, line, function};
  }
};

class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message, std::string next = {},
        SourceLocation location = SourceLocation::current());

  ErrorCode code() const { return code_; }
  const char* what() const noexcept override { return text_.c_str(); }
  const std::string& message() const { return message_; }
  const std::string& next() const { return next_; }
  const std::vector<std::string>& frames() const { return frames_; }
  const SourceLocation& location() const { return location_; }

  // Adds context on the way up: catch (Error& e) { throw e.add_frame("while ..."); }
  Error& add_frame(std::string frame);

 private:
  void rebuild();
  ErrorCode code_;
  std::string message_, next_, text_;
  std::vector<std::string> frames_;
  SourceLocation location_;
};

}  // namespace gigatrain
