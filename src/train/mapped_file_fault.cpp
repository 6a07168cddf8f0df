#include "mapped_file_fault.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <mutex>

namespace gigatrain {

// Entries are never freed, so that a handler may walk them at any time; a forgotten one is used
// again.
class WatchedMapping {
 public:
  std::atomic<std::uintptr_t> begin{0}, end{0};  // end 0: free
  std::array<char, 512> path{};
  WatchedMapping* next = nullptr;
};

namespace {

std::mutex table;  // of those who write
std::atomic<WatchedMapping*> first{nullptr};

void say(const char* text) {
  [[maybe_unused]] const auto ignored = ::write(STDERR_FILENO, text, std::strlen(text));
}

void name_the_file(int, siginfo_t* info, void*) {
  const auto at = reinterpret_cast<std::uintptr_t>(info->si_addr);
  for (const WatchedMapping* m = first.load(); m; m = m->next) {
    if (at < m->begin.load() || at >= m->end.load()) continue;
    say("error: '");
    say(m->path.data());
    say("' was cut, or its disk failed, while it was being read\n"
        "  next: write files anew under another name and rename them, never in place\n");
  }
  // Back to the instruction that failed; the handler is gone, so it ends the process.
}

void install() {
  struct sigaction now {};
  if (::sigaction(SIGBUS, nullptr, &now) != 0 || now.sa_handler != SIG_DFL) return;
  struct sigaction ours {};
  ours.sa_sigaction = name_the_file;
  ours.sa_flags = SA_SIGINFO | static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGBUS, &ours, nullptr);
}

WatchedMapping* free_entry() {
  for (WatchedMapping* m = first.load(); m; m = m->next)
    if (m->end.load() == 0) return m;
  auto* entry = new WatchedMapping;
  entry->next = first.load();
  first.store(entry);
  return entry;
}

}  // namespace

WatchedMapping* watch_mapping(const void* begin, std::size_t bytes, const std::string& path) {
  const std::lock_guard lock(table);
  static const bool installed = (install(), true);
  static_cast<void>(installed);
  WatchedMapping* entry = free_entry();
  entry->path.fill('\0');
  path.copy(entry->path.data(), entry->path.size() - 1);
  entry->begin.store(reinterpret_cast<std::uintptr_t>(begin));
  entry->end.store(reinterpret_cast<std::uintptr_t>(begin) + bytes);
  return entry;
}

void forget_mapping(WatchedMapping* mapping) {
  if (mapping) mapping->end.store(0);
}

}  // namespace gigatrain
