// init() and the ranks that it starts: C++ threads that hold the interpreter's lock only while they
// run Python code.

#include "ranks.h"

#include "gigatrain/collectives/thread_ranks.h"

namespace gigatrain::python {

namespace {

thread_local Seat* own_seat = nullptr;

// A rank's thread while its function runs.
class SeatScope {
 public:
  explicit SeatScope(Communicator& world) : seat_{world.rank(), world.size()} { own_seat = &seat_; }
  ~SeatScope() { own_seat = nullptr; }
  SeatScope(const SeatScope&) = delete;
  SeatScope& operator=(const SeatScope&) = delete;

 private:
  Seat seat_;
};

struct World {
  int size;
  double timeout_s;
};

World init(int ranks, double timeout_s) {
  if (ranks < 1)
    throw Error(ErrorCode::invalid_argument,
                "a program has at least one rank, got " + std::to_string(ranks));
  if (timeout_s < 0)
    throw Error(ErrorCode::invalid_argument,
                "timeout_s must not be negative, got " + std::to_string(timeout_s),
                "leave it out: GIGATRAIN_TIMEOUT_S, else 300 seconds");
  return {ranks, timeout_s};
}

void add_note(py::error_already_set& e, const Communicator& world) {
  if (py::hasattr(e.value(), "add_note"))  // from Python 3.11 on
    e.value().attr("add_note")("on rank " + std::to_string(world.rank()) + " of " +
                               std::to_string(world.size()));
}

// What the rank's function returned.
HeldPtr call(const py::object& function, Communicator& world, const py::args& args,
             const py::kwargs& named) {
  const SeatScope scope(world);
  const auto ranks = std::make_shared<Ranks>(world);
  const std::unique_ptr<Ranks, void (*)(Ranks*)> ending(ranks.get(), [](Ranks* r) { r->end(); });
  try {
    return std::make_shared<Held>(function(ranks, *args, **named));
  } catch (py::error_already_set& e) {
    add_note(e, world);
    throw;
  }
}

py::list run(const World& world, const py::object& function, const py::args& args,
             const py::kwargs& named) {
  if (own_seat)
    throw Error(ErrorCode::invalid_argument, "a rank cannot start further ranks",
                "call run() outside the function that it runs");
  std::vector<HeldPtr> results(static_cast<std::size_t>(world.size));
  const auto body = [&](Communicator& ranks) {
    const py::gil_scoped_acquire lock;
    results[static_cast<std::size_t>(ranks.rank())] = call(function, ranks, args, named);
  };
  {
    const py::gil_scoped_release unlocked;
    run_on_ranks(world.size, world.timeout_s, body);
  }
  py::list out;
  for (const auto& result : results) out.append(result->get());
  return out;
}

// run() waits for all ranks, also for one that never comes back: then this is all that is seen.
void warn_of_a_late_rank(const Error& error) {
  if (error.code() != ErrorCode::timeout) return;
  const py::gil_scoped_acquire lock;
  const std::string text = std::string(error.what()) + "\nrun() still waits for that rank to end";
  if (PyErr_WarnEx(PyExc_RuntimeWarning, text.c_str(), 1) != 0)
    py::error_already_set().discard_as_unraisable("gigatrain: a rank is late");
}

}  // namespace

Seat* seat() {
  return own_seat;
}

void run_on_ranks(int ranks, double timeout_s, const std::function<void(Communicator&)>& body) {
  run_ranks(ranks, body, {.timeout_s = timeout_s, .on_failure = warn_of_a_late_rank});
}

void bind_ranks(py::module_& m) {
  bind_communicator(m);
  py::class_<World>(m, "World", "The ranks of this program; made by init().")
      .def_readonly("size", &World::size, "How many ranks there are.")
      .def(
          "run",
          [](const World& w, const py::object& function, const py::args& args,
             const py::kwargs& named) { return run(w, function, args, named); },
          py::arg("function"),
          "Calls function(ranks, *args, **named) on every rank, `ranks` being its Communicator, "
          "and returns what each returned, by rank.\n\nRanks are threads: rank 0 is the calling "
          "one. Each has a device of its own, a share of the cores, which is its default_device(): "
          "make tensors and models inside the function. What a rank raises ends the others and "
          "comes out of run() with its traceback.");
  m.def("init", &init, py::kw_only(), py::arg("ranks") = 1, py::arg("timeout_s") = 0.0,
        "How many ranks this program has; gt.init(ranks=2).run(function) starts them.\n\n"
        "timeout_s: deadline of each operation between ranks; 0: GIGATRAIN_TIMEOUT_S, else 300. "
        "Past it Timeout names the rank that did not come.");
}

}  // namespace gigatrain::python
