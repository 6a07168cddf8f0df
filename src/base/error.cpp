#include "gigatrain/base/error.h"

#include <utility>

namespace gigatrain {

const char* name(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return "invalid argument";
    case ErrorCode::unsupported:
      return "unsupported";
    case ErrorCode::out_of_memory:
      return "out of memory";
    case ErrorCode::device:
      return "device";
    case ErrorCode::communication:
      return "communication";
    case ErrorCode::timeout:
      return "timeout";
    case ErrorCode::io:
      return "input/output";
    case ErrorCode::data:
      return "data";
    case ErrorCode::corrupt:
      return "corrupt file";
    case ErrorCode::cancelled:
      return "cancelled";
  }
  return "unknown";
}

Error::Error(ErrorCode code, std::string message, std::string next, SourceLocation location)
    : code_(code), message_(std::move(message)), next_(std::move(next)), location_(location) {
  rebuild();
}

Error& Error::add_frame(std::string frame) {
  frames_.push_back(std::move(frame));
  rebuild();
  return *this;
}

void Error::rebuild() {
  text_ = message_;
  for (const auto& frame : frames_) text_ += "\n  " + frame;
  if (!next_.empty()) text_ += "\n  next: " + next_;
}

}  // namespace gigatrain
