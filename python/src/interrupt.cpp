#include "interrupt.h"

#include <csignal>

namespace gigatrain::python {

namespace {

bool in_main_thread() {
  const py::object threading = py::module_::import("threading");
  return threading.attr("current_thread")().is(threading.attr("main_thread")());
}

}  // namespace

Interrupt::Interrupt() {
  const py::object signal = py::module_::import("signal");
  // Only the usual handler is replaced, and only the main thread may do so.
  if (!in_main_thread() || !signal.attr("getsignal")(SIGINT).is(signal.attr("default_int_handler")))
    return;
  const auto handler = [presses = presses_](const py::args&) {
    if (++*presses == 1) return;
    PyErr_SetNone(PyExc_KeyboardInterrupt);  // a second press will not wait for the step's end
    throw py::error_already_set();
  };
  previous_ = signal.attr("signal")(SIGINT, py::cpp_function(handler));
}

Interrupt::~Interrupt() {
  if (!previous_) return;
  try {
    py::module_::import("signal").attr("signal")(SIGINT, previous_);
  } catch (py::error_already_set& e) {
    e.discard_as_unraisable("gigatrain: restoring the handler of SIGINT");
  }
}

bool Interrupt::asked() {
  const py::gil_scoped_acquire lock;
  if (PyErr_CheckSignals() != 0) error_ = std::make_unique<py::error_already_set>();
  return error_ || *presses_ > 0;
}

void Interrupt::raise() {
  if (error_) throw *error_;
  if (*presses_ == 0) return;
  PyErr_SetNone(PyExc_KeyboardInterrupt);
  throw py::error_already_set();
}

}  // namespace gigatrain::python
