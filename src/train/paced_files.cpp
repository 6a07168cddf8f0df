#include "train/paced_files.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace gigatrain {

void PacedFiles::write(int file, const void* data, std::size_t bytes, const std::string& path) {
  constexpr double kLongest = 50;  // ms of sleep, so that a hurry is noticed
  files_.write(file, data, bytes, path);
  written_ += static_cast<double>(bytes);
  while (!hurry_) {
    const double early = written_ / bandwidth_ * 1e3 - since_.ms();
    if (early <= 0) break;
    std::this_thread::sleep_for(
        std::chrono::duration<double, std::milli>(std::min(early, kLongest)));
  }
}

}  // namespace gigatrain
