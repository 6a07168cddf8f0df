// gigatrain::Error to the classes of errors.py, with code, next and frames as attributes.

#include "common.h"

namespace gigatrain::python {

namespace {

const char* class_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return "InvalidArgument";
    case ErrorCode::unsupported:
      return "Unsupported";
    case ErrorCode::out_of_memory:
      return "OutOfMemory";
    case ErrorCode::device:
      return "DeviceError";
    case ErrorCode::communication:
      return "CommunicationError";
    case ErrorCode::timeout:
      return "Timeout";
    case ErrorCode::io:
      return "IoError";
    case ErrorCode::data:
      return "DataError";
    case ErrorCode::corrupt:
      return "Corrupt";
    case ErrorCode::cancelled:
      return "Cancelled";
  }
  return "Error";
}

void raise(const Error& e) {
  const py::object type = py::module_::import("gigatrain.errors").attr(class_of(e.code()));
  const py::object error = type(e.what());
  error.attr("code") = name(e.code());
  error.attr("message") = e.message();
  error.attr("next") = e.next();
  error.attr("frames") = py::tuple(py::cast(e.frames()));
  PyErr_SetObject(type.ptr(), error.ptr());
}

}  // namespace

void bind_errors(py::module_&) {
  py::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const Error& e) {
      raise(e);
    }
  });
}

}  // namespace gigatrain::python
