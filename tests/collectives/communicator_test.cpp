// Every operation moves what it says, for any number of ranks, dtype and size, small ones that the
// last rank copies for all as well as large ones.
#include "gigatrain/collectives/communicator.h"

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <numeric>

#include "collectives/ranks.h"

using namespace gigatrain;
using namespace gigatrain::test;

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr DType kAll[] = {DType::f32, DType::f64, DType::bf16, DType::f16,
                          DType::i32, DType::i64, DType::u8};
constexpr int kRanks[] = {1, 2, 3, 5, 8};

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

// f(case) for all of them.
template <class F>
void for_each_case(F f) {
  for (const int ranks : kRanks)
    for (const std::int64_t n : {0, 3, 5000})
      for (const DType dtype : kAll) {
        INFO(ranks << " ranks, " << name(dtype) << ", " << n);
        f(Case{ranks, dtype, n});
      }
}

// Each rank's result is what `expected(rank)` says.
void check(const Case& c, const std::function<Bytes(Communicator&)>& body,
           const std::function<Bytes(int)>& expected) {
  const auto got = on_ranks<Bytes>(c.ranks, body);
  for (int r = 0; r < c.ranks; ++r) CHECK((got[static_cast<std::size_t>(r)] == expected(r)));
}

}  // namespace

TEST_CASE("all_to_all, equal and uneven parts", "[unit][collectives][threads]") {
  for_each_case([](const Case& c) {
    for (const bool equal : {true, false}) {
      const auto count = [&](int from, int to) { return equal ? c.n : uneven(from, to, c.n); };
      check(
          c,
          [&](Communicator& comm) {
            Bytes send;
            std::vector<std::int64_t> out, in;
            for (int r = 0; r < c.ranks; ++r) {
              append(send, values(comm.rank(), r, count(comm.rank(), r), c.dtype));
              out.push_back(count(comm.rank(), r));
              in.push_back(count(r, comm.rank()));
            }
            Bytes receive = empty(std::accumulate(in.begin(), in.end(), std::int64_t{0}), c.dtype);
            if (equal) {
              comm.all_to_all(typed(send, c.dtype), typed(receive, c.dtype)).wait();
            } else {
              const auto parts = cut(send, out, c.dtype), places = cut(receive, in, c.dtype);
              comm.all_to_all(parts, places).wait();
            }
            return receive;
          },
          [&](int rank) {
            Bytes want;
            for (int r = 0; r < c.ranks; ++r)
              append(want, values(r, rank, count(r, rank), c.dtype));
            return want;
          });
    }
  });
}

TEST_CASE("all_gather, equal and uneven parts, in place", "[unit][collectives][threads]") {
  for_each_case([](const Case& c) {
    std::vector<std::int64_t> counts;
    for (int r = 0; r < c.ranks; ++r) counts.push_back(uneven(r, 1, c.n));
    Bytes even_all, uneven_all;
    for (int r = 0; r < c.ranks; ++r) {
      append(even_all, values(r, 0, c.n, c.dtype));
      append(uneven_all, values(r, 0, uneven(r, 1, c.n), c.dtype));
    }
    check(
        c,
        [&](Communicator& comm) {
          Bytes mine = values(comm.rank(), 0, c.n, c.dtype), all = empty(c.n * c.ranks, c.dtype);
          comm.all_gather(typed(mine, c.dtype), typed(all, c.dtype)).wait();
          return all;
        },
        [&](int) { return even_all; });
    check(
        c,
        [&](Communicator& comm) {
          const auto own = counts[static_cast<std::size_t>(comm.rank())];
          const auto before =
              std::accumulate(counts.begin(), counts.begin() + comm.rank(), std::int64_t{0});
          Bytes all =
              empty(static_cast<std::int64_t>(uneven_all.size()) / size_of(c.dtype), c.dtype);
          const Bytes mine = values(comm.rank(), 0, own, c.dtype);
          auto* place = all.data() + before * size_of(c.dtype);
          std::copy(mine.begin(), mine.end(), place);
          comm.all_gather(TensorView(place, c.dtype, {own}), typed(all, c.dtype), counts).wait();
          return all;
        },
        [&](int) { return uneven_all; });
  });
}

TEST_CASE("broadcast, gather and scatter, from any root", "[unit][collectives][threads]") {
  for_each_case([](const Case& c) {
    const int root = c.ranks / 2;
    Bytes all;
    for (int r = 0; r < c.ranks; ++r) append(all, values(r, 0, c.n, c.dtype));
    check(
        c,
        [&](Communicator& comm) {
          Bytes buffer = values(comm.rank(), 0, c.n, c.dtype);
          comm.broadcast(typed(buffer, c.dtype), root).wait();
          return buffer;
        },
        [&](int) { return values(root, 0, c.n, c.dtype); });
    check(
        c,
        [&](Communicator& comm) {
          Bytes mine = values(comm.rank(), 0, c.n, c.dtype);
          Bytes gathered = comm.rank() == root ? empty(c.n * c.ranks, c.dtype) : Bytes{};
          comm.gather(typed(mine, c.dtype), typed(gathered, c.dtype), root).wait();
          return gathered;
        },
        [&](int rank) { return rank == root ? all : Bytes{}; });
    check(
        c,
        [&](Communicator& comm) {
          Bytes parts = comm.rank() == root ? all : Bytes{}, mine = empty(c.n, c.dtype);
          comm.scatter(typed(parts, c.dtype), typed(mine, c.dtype), root).wait();
          return mine;
        },
        [&](int rank) { return values(rank, 0, c.n, c.dtype); });
  });
}

TEST_CASE("messages between neighbours arrive in their order", "[unit][collectives][threads]") {
  for_each_case([](const Case& c) {
    if (c.ranks < 3) return;
    const auto right = [&](int rank) { return (rank + 1) % c.ranks; };
    const auto left = [&](int rank) { return (rank + c.ranks - 1) % c.ranks; };
    check(
        c,
        [&](Communicator& comm) {
          Bytes out[3], in[3];
          for (int i = 0; i < 3; ++i) {
            out[i] = values(comm.rank(), i, c.n + i, c.dtype);
            in[i] = empty(c.n + i, c.dtype);
          }
          std::vector<Work> works;
          works.push_back(comm.send(typed(out[0], c.dtype), right(comm.rank())));
          works.push_back(comm.send(typed(out[1], c.dtype), left(comm.rank())));
          works.push_back(comm.send(typed(out[2], c.dtype), right(comm.rank())));
          works.push_back(comm.recv(typed(in[1], c.dtype), right(comm.rank())));
          works.push_back(comm.recv(typed(in[0], c.dtype), left(comm.rank())));
          works.push_back(comm.recv(typed(in[2], c.dtype), left(comm.rank())));
          for (auto w = works.rbegin(); w != works.rend(); ++w) w->wait();  // any order will do
          append(in[0], in[1]);
          append(in[0], in[2]);
          return in[0];
        },
        [&](int rank) {
          Bytes want = values(left(rank), 0, c.n, c.dtype);
          append(want, values(right(rank), 1, c.n + 1, c.dtype));
          append(want, values(left(rank), 2, c.n + 2, c.dtype));
          return want;
        });
  });
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
