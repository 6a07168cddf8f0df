#include "train/agreement.h"

#include <fmt/format.h>

#include <cstdint>
#include <sstream>
#include <utility>

#include "gigatrain/base/error.h"
#include "gigatrain/base/hash.h"
#include "train/together.h"

namespace gigatrain {

namespace {

// Of every fact, by rank.
std::vector<std::int64_t> digests_of_all(Communicator& ranks, const Facts& facts) {
  std::vector<std::int64_t> own;
  for (const auto& [name, value] : facts)
    own.push_back(static_cast<std::int64_t>(hash64(value, hash64(name))));
  return all_values(ranks, std::move(own));
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
      const auto texts = all_texts(ranks, facts[i].second);
      const auto [expected, got] =
          first_difference(texts.front(), texts[static_cast<std::size_t>(rank)]);
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("rank {} has another {} than rank 0: '{}', rank 0 has '{}'", rank,
                              facts[i].first, got, expected),
                  "start every rank with the same program, configuration and data");
    }
}

}  // namespace gigatrain
