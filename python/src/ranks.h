// Ranks in Python: threads of this process, each with a communicator that ends with its function.
#pragma once

#include <functional>
#include <memory>

#include "common.h"
#include "gigatrain/collectives/communicator.h"

namespace gigatrain::python {

void bind_communicator(py::module_& m);
void bind_state_file(py::module_& m);

// What Python calls a Communicator. It may outlive the rank's function; the C++ one does not.
class Ranks {
 public:
  explicit Ranks(Communicator& communicator) : communicator_(&communicator) {}
  Communicator& get() const;  // throws Error(invalid_argument) once the function has ended
  bool running() const { return communicator_ != nullptr; }
  void end() { communicator_ = nullptr; }

 private:
  Communicator* communicator_;
};

// The rank that this thread is, while World.run() calls its function.
struct Seat {
  int rank = 0, ranks = 1;
  Device* device = nullptr;  // its default
};
Seat* seat();  // null: this thread is no rank

// Runs body(world) on so many ranks, in their threads and without the interpreter's lock.
void run_on_ranks(int ranks, double timeout_s, const std::function<void(Communicator&)>& body);

// Of an argument `ranks`: a Communicator, a DataParallel or None (null).
Communicator* communicator_of(const py::object& ranks);

}  // namespace gigatrain::python
