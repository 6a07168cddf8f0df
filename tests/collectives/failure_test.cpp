// What goes wrong between ranks ends on every rank in time, and the message says who, where, what.
#include <catch2/catch.hpp>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "collectives/ranks.h"

using namespace gigatrain;
using namespace gigatrain::test;
using Catch::Matchers::Contains;

namespace {

double seconds(const std::function<void()>& program) {
  const auto start = std::chrono::steady_clock::now();
  program();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Each rank's program; rank 1's differs. Every rank ends at once with the same message.
std::string mismatch(int ranks, const std::function<void(Communicator&)>& others,
                     const std::function<void(Communicator&)>& rank_1) {
  std::vector<std::string> errors;
  const double took = seconds([&] {
    errors = errors_of(ranks, [&](Communicator& c) {
      c.set_label(c.rank() == 1 ? "step 7, phase odd" : "step 7, phase even");
      c.barrier().wait();
      (c.rank() == 1 ? rank_1 : others)(c);
    });
  });
  CHECK(took < kPatient / 2);
  for (const auto& error : errors) CHECK(error == errors[0]);
  CHECK_THAT(errors[0], Contains("nothing was moved") && Contains("number 2 of group 'world'") &&
                            Contains("step 7, phase odd") && Contains("step 7, phase even") &&
                            Contains("failure_test.cpp:") && Contains("rank 1: ") &&
                            Contains("next: "));
  return errors[0];
}

}  // namespace

TEST_CASE("calls that differ are refused before data move",
          "[unit][collectives][threads][errors]") {
  std::vector<std::vector<float>> buffers(3, std::vector<float>(6, -1.0f));
  const auto view = [&](Communicator& c, std::int64_t n, DType dtype = DType::f32) {
    return TensorView(buffers[static_cast<std::size_t>(c.rank())].data(), dtype, {n});
  };
  for (const int ranks : {2, 3}) {
    INFO(ranks << " ranks");
    CHECK_THAT(mismatch(
                   ranks, [&](Communicator& c) { c.broadcast(view(c, 6), 0).wait(); },
                   [](Communicator& c) { c.barrier().wait(); }),
               Contains("differ in operation;"));
    CHECK_THAT(mismatch(
                   ranks, [&](Communicator& c) { c.broadcast(view(c, 6), 0).wait(); },
                   [&](Communicator& c) { c.broadcast(view(c, 6, DType::i32), 0).wait(); }),
               Contains("differ in dtype") && Contains("(i32, 6 elements, root 0)"));
    CHECK_THAT(mismatch(
                   ranks, [&](Communicator& c) { c.broadcast(view(c, 6), 0).wait(); },
                   [&](Communicator& c) { c.broadcast(view(c, 5), 0).wait(); }),
               Contains("differ in count"));
    CHECK_THAT(mismatch(
                   ranks, [&](Communicator& c) { c.broadcast(view(c, 6), 0).wait(); },
                   [&](Communicator& c) { c.broadcast(view(c, 6), 1).wait(); }),
               Contains("differ in root"));
    CHECK_THAT(mismatch(
                   ranks, [](Communicator& c) { c.all_reduce(1.0, Reduce::sum); },
                   [](Communicator& c) { c.all_reduce(1.0, Reduce::max); }),
               Contains("differ in reduction"));
  }
  // One operation left out: the next ones meet.
  CHECK_THAT(mismatch(
                 2,
                 [&](Communicator& c) {
                   c.all_reduce(1.0, Reduce::sum);
                   c.broadcast(view(c, 6), 0).wait();
                 },
                 [&](Communicator& c) { c.broadcast(view(c, 6), 0).wait(); }),
             Contains("differ in operation;"));
  for (const auto& buffer : buffers) CHECK(buffer == std::vector<float>(6, -1.0f));
}

TEST_CASE("pairs of counts that differ are refused", "[unit][collectives][threads][errors]") {
  std::vector<std::vector<float>> out(2, std::vector<float>(6)), in(2, std::vector<float>(6));
  const auto cut = [](std::vector<float>& v, std::int64_t first) {
    return std::vector<TensorView>{{v.data(), DType::f32, {first}},
                                   {v.data() + first, DType::f32, {6 - first}}};
  };
  const auto error = mismatch(
      2, [&](Communicator& c) { c.all_to_all(cut(out[0], 2), cut(in[0], 2)).wait(); },
      [&](Communicator& c) { c.all_to_all(cut(out[1], 3), cut(in[1], 3)).wait(); });
  CHECK_THAT(error, Contains("rank 0 sends 16 bytes to rank 1, which expects 12"));
  const auto errors = errors_of(2, [&](Communicator& c) {
    if (c.rank() == 0) c.send(view_of(out[0]), 1).wait();
    if (c.rank() == 1) c.recv(TensorView(in[1].data(), DType::f32, {5}), 0).wait();
  });
  CHECK_THAT(errors[0],
             Contains("differ in count") && Contains("send number 1") && Contains("recv number 1"));
}

TEST_CASE("a rank that leaves, throws or aborts ends the others at once",
          "[unit][collectives][threads][errors]") {
  for (const int ranks : {2, 5}) {
    const auto others = [](Communicator& c) {
      c.set_label("step 3");
      c.barrier().wait();
      if (c.rank() == 0) return false;
      c.barrier().wait();
      return true;
    };
    const auto program = [&](const std::function<void(Communicator&)>& rank_0) {
      std::string error;
      const double took = seconds([&] {
        error = error_of([&] {
          run_ranks(ranks,
                    [&](Communicator& c) {
                      if (!others(c)) rank_0(c);
                    },
                    {.timeout_s = kPatient});
        });
      });
      CHECK(took < kPatient / 2);
      return error;
    };
    CHECK_THAT(program([](Communicator&) {}),
               Contains("rank 0 has left while others need it") &&
                   Contains("barrier number 2 of group 'world', called at failure_test.cpp") &&
                   Contains("rank 0 was last seen: barrier number 1 of group 'world', called at "
                            "failure_test.cpp") &&
                   Contains("step 3: done"));
    CHECK(program([](Communicator&) { throw std::runtime_error("the disk is full"); }) ==
          "the disk is full");
    CHECK_THAT(program([](Communicator& c) { c.abort("a guard said so"); }),
               Contains("rank 0 aborted: a guard said so"));
  }
}

TEST_CASE("the first cause is rethrown, its echoes say it",
          "[unit][collectives][threads][errors]") {
  std::vector<std::string> echoes(3);
  const auto error = error_of([&] {
    run_ranks(3, [&](Communicator& c) {
      if (c.rank() == 2) throw std::runtime_error("no such file");
      try {
        c.barrier().wait();
      } catch (const Error& e) {
        echoes[static_cast<std::size_t>(c.rank())] = e.what();
        c.barrier().wait();  // poisoned: says the same
      }
    });
  });
  CHECK(error == "no such file");
  CHECK_THAT(echoes[0], Contains("rank 2 ended by an exception: no such file"));
  CHECK(echoes[1] == echoes[0]);
}

TEST_CASE("a rank that stalls ends the others at the deadline",
          "[unit][collectives][threads][errors]") {
  constexpr double kTimeout = 0.3;
  for (const int ranks : {2, 5}) {
    std::atomic<int> ended{0};
    std::vector<double> took(static_cast<std::size_t>(ranks));
    std::string told, late;
    const auto program = [&](Communicator& c) {
      const auto group = c.split(0, 0, "dp");
      c.set_label("step 12, phase backward");
      group->barrier().wait();
      if (c.rank() == 1) {
        c.set_label("step 12, phase optimizer");
        while (ended < ranks - 1) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        late = error_of([&] { group->barrier().wait(); });
        return;
      }
      std::string mine;
      took[static_cast<std::size_t>(c.rank())] =
          seconds([&] { mine = error_of([&] { group->barrier().wait(); }); });
      ++ended;
      throw Error(ErrorCode::timeout, mine);
    };
    const auto tell = [&](const Error& e) { told = e.what(); };
    const auto error =
        error_of([&] { run_ranks(ranks, program, {.timeout_s = kTimeout, .on_failure = tell}); });
    CHECK_THAT(error, Contains("rank 1 did not come within 0.3 s") &&
                          Contains("barrier number 2 of group 'world/dp', called at "
                                   "failure_test.cpp:") &&
                          Contains("step 12, phase backward") &&
                          Contains("rank 1 was last seen: barrier number 1 of group 'world/dp'") &&
                          Contains("step 12, phase backward: done") &&
                          Contains("s in step 12, phase optimizer"));
    for (std::size_t r = 0; r < took.size(); ++r)
      if (r != 1) CHECK((took[r] > 0.9 * kTimeout && took[r] < kTimeout + 1));
    CHECK(told == error);
    CHECK(late == error);  // who comes late is told so
  }
}

TEST_CASE("an exception that passes a work in flight ends it everywhere, in time",
          "[unit][collectives][threads][errors]") {
  for (const std::size_t n : {std::size_t{10}, std::size_t{1} << 20}) {
    std::string error;
    const double took = seconds([&] {
      error = error_of([&] {
        run_ranks(4, [&](Communicator& c) {
          std::vector<float> mine(n), all(4 * n);
          Work first = c.all_gather(view_of(mine), view_of(all));
          if (c.rank() == 3) first.wait();
          std::vector<float> more(4 * n);
          Work second;
          if (c.rank() == 3) throw std::runtime_error("lost");
          second = c.all_gather(view_of(mine), view_of(more));
          second.wait();
        });
      });
    });
    CHECK(error == "lost");
    CHECK(took < kPatient / 2);
  }
  // In flight on the rank that throws, too.
  const auto error = error_of([&] {
    run_ranks(3, [&](Communicator& c) {
      std::vector<float> mine(100000), all(300000);
      if (c.rank() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(30));
      if (c.rank() == 0) throw std::runtime_error("late");
      const Work work = c.all_gather(view_of(mine), view_of(all));
      throw std::runtime_error("early");
    });
  });
  CHECK(error == "early");
}

TEST_CASE("a program of no ranks is refused", "[unit][collectives][errors]") {
  CHECK_THROWS_WITH(run_ranks(0, [](Communicator&) {}), Contains("at least one rank, got 0"));
}
