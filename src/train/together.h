// Work that all ranks do at once, or that fails on all of them at once, so that none goes on alone.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gigatrain/collectives/communicator.h"

namespace gigatrain {

// Every rank's values, by rank; as many on each. T: std::int64_t, double.
template <class T>
std::vector<T> all_values(Communicator& ranks, std::vector<T> own) {
  std::vector<T> all(own.size() * static_cast<std::size_t>(ranks.size()));
  const auto view = [](std::vector<T>& x) {
    return TensorView(x.data(), dtype_of<T>::value, {static_cast<std::int64_t>(x.size())});
  };
  ranks.all_gather(view(own), view(all)).wait();
  return all;
}
// Every rank's text, by rank, of any length.
std::vector<std::string> all_texts(Communicator& ranks, const std::string& own);

// What `work` returned or threw, as a text that another rank can read; so a thread can do the work
// while its rank does other things. Throws nothing.
std::string outcome_of(const std::function<std::string()>& work);
// What the work returned on each rank, by rank. If it threw on some, throws the lowest one's error,
// with the rank named where there are several.
std::vector<std::string> join_outcomes(Communicator& ranks, const std::string& own_outcome);

// join_outcomes(outcome_of(work)).
std::vector<std::string> together(Communicator& ranks, const std::function<std::string()>& work);
// Rank 0's result on every rank; `work` is not called elsewhere.
std::string on_rank_0(Communicator& ranks, const std::function<std::string()>& work);

}  // namespace gigatrain
