// Every operation moves what it says, for any number of ranks, dtype and size, small ones that the
// last rank copies for all as well as large ones.
#include "gigatrain/collectives/communicator.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <numeric>

#include "collectives/ranks.h"

using namespace gigatrain;
using namespace gigatrain::test;

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr DType kAll[] = {DType::f32, DType::f64, DType::bf16, DType::f16,
                          DType::i32, DType::i64, DType::u8};

// Element `i` of what rank `from` has for rank `to`: bytes that differ from all others'.
Bytes values(int from, int to, std::int64_t count, DType dtype) {
  Bytes out(static_cast<std::size_t>(count * size_of(dtype)));
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<std::uint8_t>((i * 31 + i / 251) + static_cast<std::size_t>(from) * 7 +
                                       static_cast<std::size_t>(to) * 57);
  return out;
}

void append(Bytes& to, const Bytes& more) {
  to.insert(to.end(), more.begin(), more.end());
}

Bytes empty(std::int64_t count, DType dtype) {
  return Bytes(static_cast<std::size_t>(count * size_of(dtype)), 0xee);
}

TensorView typed(Bytes& bytes, DType dtype) {
  return TensorView(bytes.data(), dtype,
                    {static_cast<std::int64_t>(bytes.size()) / size_of(dtype)});
}

std::vector<TensorView> cut(Bytes& bytes, const std::vector<std::int64_t>& counts, DType dtype) {
  std::vector<TensorView> views;
  auto* at = bytes.data();
  for (const std::int64_t count : counts) {
    views.emplace_back(at, dtype, Shape{count});
    at += views.back().bytes();
  }
  return views;
}

// Elements that rank `from` sends to `to` in the uneven cases; some send nothing.
std::int64_t uneven(int from, int to, std::int64_t n) {
  return (from + 2 * to) % 3 * n + to;
}

struct Case {
  int ranks;
  DType dtype;
  std::int64_t n;
};

std::vector<Case> cases(int ranks) {
  std::vector<Case> out;
  for (const std::int64_t n : {0, 3, 5000})
    for (const DType dtype : kAll) out.push_back({ranks, dtype, n});
  return out;
}

using Body = std::function<Bytes(Communicator&, const Case&)>;
using Expected = std::function<Bytes(int rank, const Case&)>;

// Every rank goes through all cases; what it gets is what `expected` says.
void check(const Body& body, const Expected& expected, int least_ranks = 1) {
  for (const int ranks : {1, 2, 3, 5, 8}) {
    if (ranks < least_ranks) continue;
    const auto all = cases(ranks);
    const auto got = on_ranks<std::vector<Bytes>>(ranks, [&](Communicator& comm) {
      std::vector<Bytes> mine;
      for (const Case& c : all) mine.push_back(body(comm, c));
      return mine;
    });
    for (std::size_t r = 0; r < got.size(); ++r)
      for (std::size_t i = 0; i < all.size(); ++i) {
        INFO("rank " << r << " of " << ranks << ", " << name(all[i].dtype) << ", " << all[i].n);
        CHECK((got[r][i] == expected(static_cast<int>(r), all[i])));
      }
  }
}

Bytes gathered(const Case& c, const std::function<std::int64_t(int)>& count) {
  Bytes all;
  for (int r = 0; r < c.ranks; ++r) append(all, values(r, 0, count(r), c.dtype));
  return all;
}

}  // namespace

TEST_CASE("all_to_all of equal parts", "[unit][collectives][threads]") {
  check(
      [](Communicator& comm, const Case& c) {
        Bytes send, receive = empty(c.n * c.ranks, c.dtype);
        for (int r = 0; r < c.ranks; ++r) append(send, values(comm.rank(), r, c.n, c.dtype));
        comm.all_to_all(typed(send, c.dtype), typed(receive, c.dtype)).wait();
        return receive;
      },
      [](int rank, const Case& c) {
        Bytes want;
        for (int r = 0; r < c.ranks; ++r) append(want, values(r, rank, c.n, c.dtype));
        return want;
      });
}

TEST_CASE("all_to_all of views", "[unit][collectives][threads]") {
  check(
      [](Communicator& comm, const Case& c) {
        Bytes send;
        std::vector<std::int64_t> out, in;
        for (int r = 0; r < c.ranks; ++r) {
          out.push_back(uneven(comm.rank(), r, c.n));
          in.push_back(uneven(r, comm.rank(), c.n));
          append(send, values(comm.rank(), r, out.back(), c.dtype));
        }
        Bytes receive = empty(std::accumulate(in.begin(), in.end(), std::int64_t{0}), c.dtype);
        const auto parts = cut(send, out, c.dtype), places = cut(receive, in, c.dtype);
        comm.all_to_all(parts, places).wait();
        return receive;
      },
      [](int rank, const Case& c) {
        Bytes want;
        for (int r = 0; r < c.ranks; ++r)
          append(want, values(r, rank, uneven(r, rank, c.n), c.dtype));
        return want;
      });
}

TEST_CASE("all_gather of equal parts", "[unit][collectives][threads]") {
  check(
      [](Communicator& comm, const Case& c) {
        Bytes mine = values(comm.rank(), 0, c.n, c.dtype), all = empty(c.n * c.ranks, c.dtype);
        comm.all_gather(typed(mine, c.dtype), typed(all, c.dtype)).wait();
        return all;
      },
      [](int, const Case& c) { return gathered(c, [&](int) { return c.n; }); });
}

TEST_CASE("all_gather of uneven parts, in place", "[unit][collectives][threads]") {
  check(
      [](Communicator& comm, const Case& c) {
        std::vector<std::int64_t> counts;
        for (int r = 0; r < c.ranks; ++r) counts.push_back(uneven(r, 1, c.n));
        Bytes all = empty(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}), c.dtype);
        const auto place = cut(all, counts, c.dtype)[static_cast<std::size_t>(comm.rank())];
        const Bytes mine = values(comm.rank(), 0, place.numel(), c.dtype);
        std::copy(mine.begin(), mine.end(), place.as<std::uint8_t>());
        comm.all_gather(place, typed(all, c.dtype), counts).wait();
        return all;
      },
      [](int, const Case& c) { return gathered(c, [&](int r) { return uneven(r, 1, c.n); }); });
}

TEST_CASE("broadcast, gather and scatter", "[unit][collectives][threads]") {
  const auto root = [](const Case& c) { return c.ranks / 2; };
  const auto all = [](const Case& c) { return gathered(c, [&](int) { return c.n; }); };
  check(
      [&](Communicator& comm, const Case& c) {
        Bytes buffer = values(comm.rank(), 0, c.n, c.dtype);
        comm.broadcast(typed(buffer, c.dtype), root(c)).wait();
        return buffer;
      },
      [&](int, const Case& c) { return values(root(c), 0, c.n, c.dtype); });
  check(
      [&](Communicator& comm, const Case& c) {
        Bytes mine = values(comm.rank(), 0, c.n, c.dtype);
        Bytes whole = comm.rank() == root(c) ? empty(c.n * c.ranks, c.dtype) : Bytes{};
        comm.gather(typed(mine, c.dtype), typed(whole, c.dtype), root(c)).wait();
        return whole;
      },
      [&](int rank, const Case& c) { return rank == root(c) ? all(c) : Bytes{}; });
  check(
      [&](Communicator& comm, const Case& c) {
        Bytes whole = comm.rank() == root(c) ? all(c) : Bytes{}, mine = empty(c.n, c.dtype);
        comm.scatter(typed(whole, c.dtype), typed(mine, c.dtype), root(c)).wait();
        return mine;
      },
      [](int rank, const Case& c) { return values(rank, 0, c.n, c.dtype); });
}

TEST_CASE("messages between neighbours arrive in their order", "[unit][collectives][threads]") {
  const auto right = [](int rank, const Case& c) { return (rank + 1) % c.ranks; };
  const auto left = [](int rank, const Case& c) { return (rank + c.ranks - 1) % c.ranks; };
  check(
      [&](Communicator& comm, const Case& c) {
        Bytes out[3], in[3];
        for (int i = 0; i < 3; ++i) {
          out[i] = values(comm.rank(), i, c.n + i, c.dtype);
          in[i] = empty(c.n + i, c.dtype);
        }
        const int to_right = right(comm.rank(), c), to_left = left(comm.rank(), c);
        std::vector<Work> works;
        works.push_back(comm.send(typed(out[0], c.dtype), to_right));
        works.push_back(comm.send(typed(out[1], c.dtype), to_left));
        works.push_back(comm.send(typed(out[2], c.dtype), to_right));
        works.push_back(comm.recv(typed(in[1], c.dtype), to_right));
        works.push_back(comm.recv(typed(in[0], c.dtype), to_left));
        works.push_back(comm.recv(typed(in[2], c.dtype), to_left));
        for (auto w = works.rbegin(); w != works.rend(); ++w) w->wait();  // any order will do
        append(in[0], in[1]);
        append(in[0], in[2]);
        return in[0];
      },
      [&](int rank, const Case& c) {
        Bytes want = values(left(rank, c), 0, c.n, c.dtype);
        append(want, values(right(rank, c), 1, c.n + 1, c.dtype));
        append(want, values(left(rank, c), 2, c.n + 2, c.dtype));
        return want;
      },
      3);
}

TEST_CASE("two ranks send to each other at once", "[unit][collectives][threads]") {
  const auto got = on_ranks<std::vector<double>>(2, [](Communicator& comm) {
    std::vector<double> out(30000, comm.rank() + 1.0), in(30000);
    Work sent = comm.send(view_of(out), 1 - comm.rank());
    comm.recv(view_of(in), 1 - comm.rank()).wait();
    sent.wait();
    return in;
  });
  CHECK(got[0] == std::vector<double>(30000, 2.0));
  CHECK(got[1] == std::vector<double>(30000, 1.0));
}

TEST_CASE("pieces that go past the caches arrive whole, wherever they begin",
          "[unit][collectives][threads]") {
  constexpr std::size_t kBytes = (32u << 20) + 77, kSkipped = 13;
  const auto right = on_ranks<bool>(2, [](Communicator& comm) {
    std::vector<std::uint8_t> out(kBytes), in(kSkipped + 2 * kBytes);
    for (std::size_t i = 0; i < kBytes; ++i)
      out[i] = static_cast<std::uint8_t>(i * 31 + i / 251 + static_cast<std::size_t>(comm.rank()));
    const auto to = view_of(in);
    comm.all_gather(view_of(out), TensorView(to.as<std::uint8_t>() + kSkipped, DType::u8,
                                             {static_cast<std::int64_t>(2 * kBytes)}))
        .wait();
    bool same = true;
    for (std::size_t i = 0; i < 2 * kBytes; ++i)
      same &= in[kSkipped + i] ==
              static_cast<std::uint8_t>(i % kBytes * 31 + i % kBytes / 251 + i / kBytes);
    return same;
  });
  CHECK(right == std::vector<bool>(2, true));
}
