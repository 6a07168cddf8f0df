// Counters and scalars over the ranks, barriers, and what a communicator of one rank does.
#include <catch2/catch.hpp>

#include <atomic>
#include <cmath>
#include <limits>

#include "collectives/ranks.h"

using namespace gigatrain;
using namespace gigatrain::test;

namespace {

template <class T>
void check_integers(int ranks, T high) {
  const auto got = on_ranks<std::vector<T>>(ranks, [&](Communicator& c) {
    std::vector<T> all;
    for (const Reduce reduce : {Reduce::sum, Reduce::min, Reduce::max}) {
      std::vector<T> v = {static_cast<T>(c.rank() + 1), static_cast<T>(10 - c.rank()), high};
      c.all_reduce(view_of(v), reduce).wait();
      all.insert(all.end(), v.begin(), v.end());
    }
    all.push_back(c.all_reduce(static_cast<T>(2), Reduce::sum));
    return all;
  });
  using U = std::make_unsigned_t<T>;
  const auto n = static_cast<U>(ranks);
  const std::vector<T> expected = {
      static_cast<T>(n * (n + 1) / 2),
      static_cast<T>(10 * n - n * (n - 1) / 2),
      static_cast<T>(static_cast<U>(n * static_cast<U>(high))),  // wraps
      1,
      static_cast<T>(11 - n),
      high,
      static_cast<T>(n),
      10,
      high,
      static_cast<T>(2 * n)};
  for (const auto& mine : got) CHECK(mine == expected);
}

}  // namespace

TEST_CASE("all_reduce of integers", "[unit][collectives][threads]") {
  for (const int ranks : {1, 2, 3, 5, 8}) {
    INFO(ranks << " ranks");
    check_integers<std::uint8_t>(ranks, 200);
    check_integers<std::int32_t>(ranks, std::numeric_limits<std::int32_t>::max());
    check_integers<std::int64_t>(ranks, std::numeric_limits<std::int64_t>::max());
  }
}

TEST_CASE("all_reduce of f64 adds in rank order", "[unit][collectives][threads]") {
  constexpr double kValues[] = {1, 1, 1e16, -1e16, 3};  // 5; backwards 6
  const auto value = [&](int rank) { return kValues[rank % 5]; };
  for (const int ranks : {1, 2, 3, 5, 8})
    for (const std::size_t n : {std::size_t{1}, std::size_t{3000}}) {
      double in_order = value(0), backwards = value(ranks - 1);
      for (int r = 1; r < ranks; ++r) in_order += value(r);
      for (int r = ranks - 2; r >= 0; --r) backwards += value(r);
      if (ranks == 5) CHECK(in_order != backwards);  // the data would show another order
      const auto got = on_ranks<std::vector<double>>(ranks, [&](Communicator& c) {
        std::vector<double> v(n, value(c.rank()));
        c.all_reduce(view_of(v), Reduce::sum).wait();
        return v;
      });
      for (const auto& mine : got) CHECK(mine == std::vector<double>(n, in_order));
    }
}

TEST_CASE("all_reduce of f64: least, greatest, NaN", "[unit][collectives][threads]") {
  const auto got = on_ranks<std::vector<double>>(3, [](Communicator& c) {
    const double mine = c.rank() == 1 ? std::nan("") : c.rank();
    return std::vector<double>{c.all_reduce(c.rank() - 1.5, Reduce::min),
                               c.all_reduce(c.rank() - 1.5, Reduce::max),
                               c.all_reduce(mine, Reduce::min), c.all_reduce(mine, Reduce::max)};
  });
  for (const auto& v : got) {
    CHECK(v[0] == -1.5);
    CHECK(v[1] == 0.5);
    CHECK(std::isnan(v[2]));
    CHECK(std::isnan(v[3]));
  }
}

TEST_CASE("nobody passes a barrier before all have come", "[unit][collectives][threads]") {
  for (const int ranks : {1, 2, 3, 5, 8}) {
    std::atomic<int> came{0};
    const auto seen = on_ranks<int>(ranks, [&](Communicator& c) {
      int least = ranks;
      for (int round = 1; round <= 20; ++round) {
        ++came;
        c.barrier().wait();
        least = std::min(least, came.load() - (round - 1) * ranks);
        c.barrier().wait();
      }
      return least;
    });
    CHECK(seen == std::vector<int>(static_cast<std::size_t>(ranks), ranks));
  }
}

TEST_CASE("a communicator of one rank needs no other", "[unit][collectives]") {
  const auto alone = make_local_communicator();
  CHECK(alone->size() == 1);
  CHECK(alone->all_reduce(3.5, Reduce::sum) == 3.5);
  CHECK(alone->split(-1, 0) == nullptr);
  const auto part = alone->split(4, 0, "dp");
  CHECK(part->name() == "world/dp");
  std::vector<float> a = {1, 2}, b(2);
  Work work = part->all_gather(view_of(a), view_of(b));
  CHECK(work.test());
  work.wait();
  CHECK(b == a);
  part->abort("enough");
  CHECK_THROWS_WITH(part->barrier().wait(), "group 'world/dp' was aborted: enough");
}
