// Runs thread ranks and hands their results to the main thread, the only one that may assert.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gigatrain/collectives/thread_ranks.h"

namespace gigatrain::test {

// Deadlines of tests: far above what a busy machine needs, but where one is meant to pass.
inline constexpr double kPatient = 60;

template <class T>
std::vector<T> on_ranks(int ranks, const std::function<T(Communicator&)>& body,
                        double timeout_s = kPatient) {
  const auto results = std::make_unique<T[]>(static_cast<std::size_t>(ranks));
  run_ranks(ranks, [&](Communicator& c) { results[static_cast<std::size_t>(c.rank())] = body(c); },
            {.timeout_s = timeout_s});
  return std::vector<T>(results.get(), results.get() + ranks);
}

template <class T>
TensorView view_of(std::vector<T>& values) {
  return TensorView(values.data(), dtype_of<T>::value, {static_cast<std::int64_t>(values.size())});
}

// What the rank's program ended with, "" for nothing.
inline std::string error_of(const std::function<void()>& program) {
  try {
    program();
  } catch (const std::exception& e) {
    return e.what();
  }
  return {};
}

// Each rank's error, said by the rank itself, which then ends well.
inline std::vector<std::string> errors_of(int ranks, const std::function<void(Communicator&)>& body,
                                          double timeout_s = kPatient) {
  return on_ranks<std::string>(
      ranks, [&](Communicator& c) { return error_of([&] { body(c); }); }, timeout_s);
}

}  // namespace gigatrain::test
