#include "train/agreement.h"

#include <fmt/format.h>

#include <cstdint>
#include <sstream>

#include "gigatrain/base/error.h"
#include "gigatrain/base/hash.h"

namespace gigatrain {

namespace {

template <class T>
TensorView view_of(std::vector<T>& values, DType dtype) {
  return TensorView(values.data(), dtype, {static_cast<std::int64_t>(values.size())});
}

// Every rank's digest of every fact, by rank.
std::vector<std::uint64_t> digests_of_all(Communicator& ranks, const Facts& facts) {
  std::vector<std::uint64_t> own, all(facts.size() * static_cast<std::size_t>(ranks.size()));
  for (const auto& [name, value] : facts) own.push_back(hash64(value, hash64(name)));
  ranks.all_gather(view_of(own, DType::i64), view_of(all, DType::i64)).wait();
  return all;
}

std::string text_of(Communicator& ranks, int root, const std::string& own) {
  const auto size = ranks.all_reduce(
      ranks.rank() == root ? static_cast<std::int64_t>(own.size()) : 0, Reduce::max);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size));
  if (ranks.rank() == root) bytes.assign(own.begin(), own.end());
  ranks.broadcast(view_of(bytes, DType::u8), root).wait();
  return {bytes.begin(), bytes.end()};
}

// The first lines of two texts that differ.
std::pair<std::string, std::string> first_difference(const std::string& a, const std::string& b) {
  std::istringstream left(a), right(b);
  for (std::string x, y;;) {
    const bool more_left = static_cast<bool>(std::getline(left, x));
    const bool more_right = static_cast<bool>(std::getline(right, y));
    if (!more_left) x = "nothing";
    if (!more_right) y = "nothing";
    if (x != y || (!more_left && !more_right)) return {x, y};
  }
}

}  // namespace

void require_agreement(Communicator& ranks, const Facts& facts) {
  const auto all = digests_of_all(ranks, facts);
  for (std::size_t i = 0; i < facts.size(); ++i)
    for (int rank = 1; rank < ranks.size(); ++rank) {
      if (all[static_cast<std::size_t>(rank) * facts.size() + i] == all[i]) continue;
      const auto [expected, got] = first_difference(text_of(ranks, 0, facts[i].second),
                                                    text_of(ranks, rank, facts[i].second));
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("rank {} has another {} than rank 0: '{}', rank 0 has '{}'", rank,
                              facts[i].first, got, expected),
                  "start every rank with the same program, configuration and data");
    }
}

}  // namespace gigatrain
