// Works: the copying goes on while the caller computes, buffers are kept, the record says what was
// done, groups leave nothing behind.
#include "gigatrain/collectives/work.h"

#include <catch2/catch.hpp>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "collectives/ranks.h"

using namespace gigatrain;
using namespace gigatrain::test;
using Catch::Matchers::Contains;

namespace {

std::int64_t count_of(const char* folder) {
  return std::distance(std::filesystem::directory_iterator(folder),
                       std::filesystem::directory_iterator());
}

std::int64_t resident_kib() {
  std::ifstream status("/proc/self/statm");
  std::int64_t pages = 0, resident = 0;
  status >> pages >> resident;
  return resident * 4;
}

}  // namespace

TEST_CASE("data move while the caller does something else", "[unit][collectives][threads]") {
  constexpr std::size_t kElements = 1 << 20;
  const auto done = on_ranks<bool>(3, [](Communicator& c) {
    std::vector<float> mine(kElements, static_cast<float>(c.rank())), all(3 * kElements);
    Work work = c.all_gather(view_of(mine), view_of(all));
    for (int i = 0; i < 20000 && !work.test(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const bool over = work.test() && all.back() == 2.0f;  // and nobody has waited
    work.wait();
    return over;
  });
  CHECK(done == std::vector<bool>(3, true));
}

TEST_CASE("many works at once, waited for in any order", "[unit][collectives][threads]") {
  const auto sums = on_ranks<double>(4, [](Communicator& c) {
    constexpr std::size_t kWorks = 24;
    std::vector<std::vector<double>> mine, all(kWorks);
    std::vector<Work> works;
    for (std::size_t i = 0; i < kWorks; ++i) {
      const std::size_t n = i % 2 ? 4000 + i : i;
      mine.push_back(std::vector<double>(n, static_cast<double>(i)));
      all[i].resize(4 * n);
    }
    for (std::size_t i = 0; i < kWorks; ++i)
      works.push_back(c.all_gather(view_of(mine[i]), view_of(all[i])));
    for (std::size_t i = 0; i < kWorks; ++i)
      works[(i * 7 + static_cast<std::size_t>(c.rank())) % kWorks].wait();
    double sum = 0;
    for (std::size_t i = 0; i < kWorks; ++i)
      for (const double x : all[i]) sum += x - static_cast<double>(i) + 1;
    return sum;
  });
  double elements = 0;
  for (std::size_t i = 0; i < 24; ++i) elements += 4.0 * static_cast<double>(i % 2 ? 4000 + i : i);
  CHECK(sums == std::vector<double>(4, elements));
}

TEST_CASE("a work keeps what it is given until it is over", "[unit][collectives][threads]") {
  const auto held = on_ranks<bool>(2, [](Communicator& c) {
    auto buffer = std::make_shared<std::vector<float>>(50000, 1.0f);
    const std::weak_ptr<std::vector<float>> seen = buffer;
    Work work = c.broadcast(view_of(*buffer), 0).keep(buffer);
    buffer.reset();
    const bool kept = !seen.expired();
    c.barrier().wait();
    work.wait();
    return kept && seen.expired();
  });
  CHECK(held == std::vector<bool>(2, true));
}

TEST_CASE("a work that is dropped or replaced is waited for", "[unit][collectives][threads]") {
  const auto got = on_ranks<std::vector<float>>(2, [](Communicator& c) {
    std::vector<float> mine(20000, static_cast<float>(c.rank() + 1)), all(40000);
    { const Work dropped = c.all_gather(view_of(mine), view_of(all)); }
    std::vector<float> seen = {all.front(), all.back()};
    mine.assign(20000, 5.0f);
    Work work = c.all_gather(view_of(mine), view_of(all));
    work = Work();
    seen.push_back(all.front());
    return seen;
  });
  CHECK(got[0] == std::vector<float>{1, 2, 5});
  CHECK(got[1] == got[0]);
}

TEST_CASE("the record holds the last 1,024 operations of a rank", "[unit][collectives][threads]") {
  const auto logs = on_ranks<std::string>(2, [](Communicator& c) {
    for (int i = 0; i < 1100; ++i) c.barrier().wait();
    c.set_label("step 4");
    std::vector<std::int64_t> mine(3), all(6);
    c.all_gather(view_of(mine), view_of(all)).wait();
    const auto records = c.log().records();
    if (c.log().total() != 1101 || records.size() != 1024) return std::string("wrong size");
    if (records.front().what.sequence != 1101 - 1023) return std::string("wrong first");
    const auto& last = records.back();
    if (last.bytes_out != 24 || last.bytes_in != 24 || last.called > last.began ||
        last.began > last.ended)
      return std::string("wrong last");
    return c.log().str();
  });
  for (const auto& log : logs)
    CHECK_THAT(log,
               Contains("barrier number 78 of group 'world', called at work_test.cpp:") &&
                   !Contains("number 77 of") &&
                   Contains("all_gather number 1101 of group 'world' (i64, 6 elements), called "
                            "at work_test.cpp:") &&
                   Contains("step 4: done, ") && Contains("24 bytes out, 24 in"));
}

TEST_CASE("split makes the groups that are asked for", "[unit][collectives][threads]") {
  const auto got = on_ranks<std::vector<std::int64_t>>(6, [](Communicator& c) {
    // Ranks 0 2 4 in reverse order, 1 3 in theirs, 5 in none.
    const bool even = c.rank() % 2 == 0;
    const auto part = c.split(c.rank() == 5 ? -1 : even, even ? -c.rank() : 0);
    if (!part) return std::vector<std::int64_t>{};
    std::vector<std::int64_t> mine = {c.rank()}, all(static_cast<std::size_t>(part->size()));
    part->all_gather(view_of(mine), view_of(all)).wait();
    const auto single = part->split(part->rank(), 0);
    all.push_back(single->size());
    all.push_back(single->program_rank(0));
    return all;
  });
  for (const std::int64_t r : {0, 2, 4})
    CHECK(got[static_cast<std::size_t>(r)] == std::vector<std::int64_t>{4, 2, 0, 1, r});
  for (const std::int64_t r : {1, 3})
    CHECK(got[static_cast<std::size_t>(r)] == std::vector<std::int64_t>{1, 3, 1, r});
  CHECK(got[5].empty());
}

TEST_CASE("a thousand groups leave nothing behind", "[unit][collectives][threads]") {
  constexpr int kRanks = 3;
  std::int64_t threads[2] = {}, files[2] = {}, kib[2] = {};
  run_ranks(kRanks, [&](Communicator& c) {
    const auto make = [&](int groups) {
      for (int i = 0; i < groups; ++i) {
        const auto group = c.split(i % 2 ? 0 : c.rank() / 2, i % 3 ? c.rank() : -c.rank());
        group->all_reduce(std::int64_t{1}, Reduce::sum);
      }
      c.barrier().wait();
    };
    const auto measure = [&](int when) {
      if (c.rank() == 0) {
        threads[when] = count_of("/proc/self/task");
        files[when] = count_of("/proc/self/fd");
        kib[when] = resident_kib();
      }
      c.barrier().wait();
    };
    make(600);  // the record is full
    measure(0);
    make(1000);
    measure(1);
  });
  CHECK(threads[1] == threads[0]);
  CHECK(files[1] == files[0]);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they keep what is freed
  CHECK(kib[1] < kib[0] + 1024);                                     // a kilobyte a group shows
#endif
}

TEST_CASE("wrong arguments are refused before anything is sent",
          "[unit][collectives][threads][errors]") {
  const auto errors = on_ranks<std::vector<std::string>>(2, [](Communicator& c) {
    std::vector<float> a(6), b(6), odd(5), other(5);
    std::vector<double> wide(6);
    TensorView gaps = view_of(a);
    gaps.shape = {3};
    gaps.strides[0] = 2;
    const TensorView x = view_of(a), y = view_of(b), part(a.data() + 3, DType::f32, {3});
    const std::int64_t one[] = {6}, bad[] = {7, -1};
    const TensorView to[] = {{a.data(), DType::f32, {2}}, {a.data() + 2, DType::f32, {4}}},
                     from[] = {{b.data(), DType::f32, {4}}, {b.data() + 4, DType::f32, {2}}};
    std::vector<std::string> said;
    const auto call = [&](auto f) { said.push_back(error_of([&] { f().wait(); })); };
    call([&] { return c.broadcast(gaps, 0); });
    call([&] { return c.broadcast(TensorView(nullptr, DType::f32, {4}), 0); });
    call([&] { return c.broadcast(x, 2); });
    call([&] { return c.all_gather(x, y); });
    call([&] { return c.all_to_all(view_of(odd), view_of(other)); });
    call([&] { return c.all_to_all(x, view_of(wide)); });
    call([&] { return c.all_to_all(x, x); });
    call([&] { return c.all_gather(TensorView(a.data() + 1, DType::f32, {3}), x); });
    call([&] { return c.all_gather(x, y, one); });
    call([&] { return c.all_gather(x, y, bad); });
    call([&] { return c.all_to_all(to, from); });
    call([&] { return c.all_to_all(Communicator::Views(to, 1), from); });
    call([&] { return c.all_to_all(to, to); });
    call([&] { return c.send(x, c.rank()); });
    call([&] { return c.all_reduce(x, Reduce::sum); });
    call([&] { return c.gather(part, part, c.rank()); });
    c.barrier().wait();  // the group is as it was
    return said;
  });
  const char* expected[] = {"broadcast: buffer must be contiguous",
                            "has shape (4) but no memory",
                            "broadcast: root must be a rank of group 'world', 0 to 1, got 2",
                            "all_gather: receive must have 12 elements, got 6",
                            "must divide into 2 equal parts, got 5 elements",
                            "one dtype, got f32 and f64",
                            "all_to_all: send and receive share memory",
                            "give this rank's own part of receive as send",
                            "all_gather: counts needs one count for each of 2 ranks, got 1",
                            "all_gather: counts has a count of -1",
                            "what a rank has of itself must have",
                            "needs one view for each of 2 ranks, got 1",
                            "send and receive share memory",
                            "is this rank",
                            "all_reduce takes u8, i32, i64 and f64, got f32",
                            "gather: receive must have 6 elements, got 3"};
  for (const auto& said : errors)
    for (std::size_t i = 0; i < std::size(expected); ++i)
      CHECK_THAT(said[i], Contains(expected[i]));
}

TEST_CASE("waiting for a rank that is late is not waiting for data",
          "[unit][collectives][threads]") {
  std::atomic<bool> calling = false;
  const auto waits = on_ranks<OperationLog::Waits>(2, [&](Communicator& c) {
    std::vector<float> mine(1 << 20), all(2 << 20);
    if (c.rank() == 1) {
      while (!calling) std::this_thread::yield();
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    Work work = c.all_gather(view_of(mine), view_of(all));
    calling = true;
    work.wait();
    return c.log().waits();
  });
  CHECK(waits[0].all_ms - waits[0].exposed_ms > 20);
  CHECK(waits[0].exposed_ms > 0);
  CHECK(waits[1].exposed_ms == waits[1].all_ms);
}
