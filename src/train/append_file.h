// Files that a run appends lines to: metrics, logs.
#pragma once

#include <string>
#include <string_view>

namespace gigatrain {

// RFC 3339, UTC, with milliseconds: 2025-01-31T12:00:00.250Z
std::string utc_now();

// Made if it is not there. Throws Error(io) for what is no regular file.
int open_appending(const std::string& path);
void append_text(int file, std::string_view text, const std::string& path);
// Ends a last line that a crash has left, or a write that failed half way.
void end_torn_line(int file, const std::string& path);

}  // namespace gigatrain
