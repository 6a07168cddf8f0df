// What a process says when a mapped file is cut while it is read. The system then sends SIGBUS, and
// nothing can go on: the bytes are gone, and zeros in their place would train on. So the process
// ends by that signal, as it would anyway, but names the file first. A handler that the program has
// of its own stays.
#pragma once

#include <cstddef>
#include <string>

namespace gigatrain {

// A mapping in use. Unlike anything else about files, this is read within a signal handler.
class WatchedMapping;
WatchedMapping* watch_mapping(const void* begin, std::size_t bytes, const std::string& path);
void forget_mapping(WatchedMapping* mapping);

}  // namespace gigatrain
