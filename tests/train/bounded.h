// What reading a hostile file costs: run in a process of its own, whose memory is limited.
#pragma once

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <functional>
#include <string>

#include "gigatrain/base/error.h"

namespace gigatrain::testing {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kMeasures = false;  // sanitizers have their own memory and speed
#else
inline constexpr bool kMeasures = true;
#endif

struct Cost {
  std::string refusal;     // the error's text; "": it was read
  double seconds = 0;      // of the processor, as machines are busy
  std::int64_t bytes = 0;  // by which resident memory grew at most
};

inline std::int64_t resident_bytes() {
  std::int64_t all = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * ::sysconf(_SC_PAGE_SIZE);
}

// The child writes its error's text to the pipe; any other way to end is a failure.
[[noreturn]] inline void report_refusal(const std::function<void()>& read, int pipe) {
  constexpr rlim_t kMost = rlim_t{16} << 30;  // of addresses; a wild allocation fails
  const rlimit limit{kMost, kMost};
  if (kMeasures) ::setrlimit(RLIMIT_AS, &limit);
  try {
    read();
  } catch (const Error& e) {
    const std::string text = e.what();
    ::_exit(::write(pipe, text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : 3);
  } catch (...) {
    ::_exit(2);
  }
  ::_exit(0);
}

inline Cost cost_of(const std::function<void()>& read) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const std::int64_t before = resident_bytes();
  const pid_t child = ::fork();
  if (child == 0) report_refusal(read, ends[1]);
  ::close(ends[1]);
  Cost cost;
  char text[4096];
  for (ssize_t n; (n = ::read(ends[0], text, sizeof text)) > 0;)
    cost.refusal.append(text, static_cast<std::size_t>(n));
  ::close(ends[0]);
  int status = 0;
  rusage usage{};
  REQUIRE(::wait4(child, &status, 0, &usage) == child);
  INFO("the reading process ended with wait status " << status);
  CHECK(status == 0);
  const auto seconds = [](const timeval& t) { return double(t.tv_sec) + double(t.tv_usec) * 1e-6; };
  cost.seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  cost.bytes = std::int64_t{usage.ru_maxrss} * 1024 - before;
  return cost;
}

}  // namespace gigatrain::testing
