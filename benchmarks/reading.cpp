// What reading a batch costs from a mapped file, in memory and not, with and without the hint that
// TokenSource::will_need gives the system a step ahead: medians of 30 steps, 60 ms between them.
//
//   reading SHARD global_batch seq_len
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/median.h"
#include "gigatrain/train/token_source.h"

using namespace gigatrain;

namespace {

constexpr int kSteps = 30;

double ms_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

// Out of this process's mapping, then out of the page cache.
void drop(const std::string& path) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find(path) == std::string::npos) continue;
    const auto begin = std::stoul(line, nullptr, 16);
    const auto end = std::stoul(line.substr(line.find('-') + 1), nullptr, 16);
    madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  fdatasync(file);
  posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  close(file);
}

// From another step on each time, so that other windows are read.
void run(const TokenSource& source, const char* what, std::int64_t first_step, bool hint) {
  const std::int64_t batch = source.global_batch();
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(batch * source.seq_len())),
      targets = tokens;
  std::vector<double> fill, hints;
  for (std::int64_t step = first_step; step < first_step + kSteps; ++step) {
    fill.push_back(ms_of([&] { source.fill(step, 0, batch, tokens.data(), targets.data()); }));
    if (hint) hints.push_back(ms_of([&] { source.will_need(step + 1, 0, batch); }));
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
  }
  fmt::print("{:<16} {:.3f} ms, most {:.3f} ms; the hint {:.3f} ms\n", what, median(fill),
             *std::max_element(fill.begin() + 1, fill.end()), median(hints));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return fmt::print(stderr, "usage: reading SHARD global_batch seq_len\n"), 2;
  const std::string path = argv[1];
  const TokenSource source(
      {path}, {.seq_len = std::stoll(argv[3]), .global_batch = std::stoll(argv[2]), .seed = 1});
  run(source, "warm", 0, false);
  run(source, "warm, hint", 1000, true);
  drop(path);
  run(source, "cold", 2000, false);
  drop(path);
  run(source, "cold, hint", 3000, true);
}
