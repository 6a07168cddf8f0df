// Ctrl-C while C++ trains: the step at hand is finished, then KeyboardInterrupt is raised, so that
// the state is that of a whole number of steps.
#pragma once

#include <memory>

#include "common.h"

namespace gigatrain::python {

class Interrupt {
 public:
  Interrupt();  // with the interpreter's lock, like the destructor and raise()
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // Between steps, without the lock: lets Python handle its signals; true when one of them, Ctrl-C
  // for example, wants the work to end.
  bool asked();
  // After the work: raises what asked() has found, if anything.
  void raise();

 private:
  std::shared_ptr<int> presses_ = std::make_shared<int>(0);
  py::object previous_;  // handler, when it was replaced
  std::unique_ptr<py::error_already_set> error_;
};

}  // namespace gigatrain::python
