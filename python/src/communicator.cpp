// gigatrain.Communicator: what a rank's function is given.

#include <set>

#include "data_parallel.h"
#include "ranks.h"

namespace gigatrain::python {

namespace {

// The line of Python that calls, for messages and records, which never go.
SourceLocation here() {
  PyFrameObject* frame = PyEval_GetFrame();
  if (!frame) return SourceLocation::current();
  static auto* const names = new std::set<std::string>;
  const auto code =
      py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(PyFrame_GetCode(frame)));
  const auto file = names->insert(code.attr("co_filename").cast<std::string>()).first;
  return {file->c_str(), PyFrame_GetLineNumber(frame), ""};
}

Reduce parse_reduce(const std::string& op) {
  for (const Reduce reduce : {Reduce::sum, Reduce::min, Reduce::max})
    if (op == name(reduce)) return reduce;
  throw Error(ErrorCode::invalid_argument, "op must be sum, min or max, got '" + op + "'");
}

template <class T>
py::object all_reduced(const Ranks& ranks, T value, const std::string& op) {
  Communicator& c = ranks.get();
  const Reduce reduce = parse_reduce(op);
  const SourceLocation at = here();
  {
    const py::gil_scoped_release unlocked;
    value = c.all_reduce(value, reduce, at);
  }
  return py::cast(value);
}

py::object all_reduce(const Ranks& ranks, const py::object& value, const std::string& op) {
  if (PyFloat_Check(value.ptr())) return all_reduced(ranks, value.cast<double>(), op);
  if (PyIndex_Check(value.ptr())) return all_reduced(ranks, value.cast<std::int64_t>(), op);
  throw Error(ErrorCode::invalid_argument,
              "all_reduce() takes an int or a float, got " +
                  std::string(py::str(py::type::of(value).attr("__name__"))),
              "all_gather() brings arrays together");
}

// The memory of an array or of a tensor.
Tensor shared_memory(const py::object& data) {
  const Tensor t = py::isinstance<Tensor>(data) ? data.cast<Tensor>() : tensor_from_numpy(data);
  if (!t.device().host_memory() || !t.view().is_contiguous())
    throw Error(ErrorCode::invalid_argument,
                "ranks exchange contiguous arrays, and tensors of a CPU; this is neither",
                "numpy.ascontiguousarray(array), or tensor.to(\"cpu\")");
  return t;
}

py::object broadcast(const Ranks& ranks, const py::object& data, int root) {
  Communicator& c = ranks.get();
  const Tensor t = shared_memory(data);
  const SourceLocation at = here();
  const py::gil_scoped_release unlocked;
  c.broadcast(t.view(), root, at).wait();
  return data;
}

py::object all_gather(const Ranks& ranks, const py::object& data) {
  Communicator& c = ranks.get();
  const Tensor own = shared_memory(data);
  Shape shape{c.size()};
  for (int i = 0; i < own.shape().dims(); ++i) shape.push_back(own.shape()[i]);
  const Tensor all = Tensor::empty(own.device(), shape, own.dtype(), {Purpose::data, "gathered"});
  const SourceLocation at = here();
  {
    const py::gil_scoped_release unlocked;
    c.all_gather(own.view(), all.view(), at).wait();
  }
  return py::isinstance<Tensor>(data) ? py::cast(all) : to_numpy(all);
}

}  // namespace

Communicator& Ranks::get() const {
  if (!communicator_)
    throw Error(ErrorCode::invalid_argument, "the rank's function has ended, and its ranks with it",
                "compute inside the function that run() calls, and return plain values");
  return *communicator_;
}

Communicator* communicator_of(const py::object& ranks) {
  if (ranks.is_none()) return nullptr;
  if (py::isinstance<Ranks>(ranks)) return &ranks.cast<const Ranks&>().get();
  if (py::isinstance<SharedModel>(ranks)) return &ranks.cast<const SharedModel&>().group();
  throw Error(ErrorCode::invalid_argument,
              "ranks must be a Communicator, a DataParallel or None, got " +
                  std::string(py::str(py::type::of(ranks).attr("__name__"))));
}

void bind_communicator(py::module_& m) {
  py::classh<Ranks>(
      m, "Communicator",
      "This rank among the others, for as long as the function that it was given to runs. Every "
      "rank makes the same calls in the same order; one that differs raises CommunicationError "
      "that names both, and one that does not come raises Timeout that names the rank.")
      .def_property_readonly(
          "rank", [](const Ranks& r) { return r.get().rank(); }, "From 0 on.")
      .def_property_readonly(
          "size", [](const Ranks& r) { return r.get().size(); }, "How many ranks there are.")
      .def(
          "barrier",
          [](const Ranks& r) {
            Communicator& c = r.get();
            const SourceLocation at = here();
            const py::gil_scoped_release unlocked;
            c.barrier(at).wait();
          },
          "Returns when every rank has called it.")
      .def("all_reduce", &all_reduce, py::arg("value"), py::arg("op") = "sum",
           "The sum, min or max of every rank's int or float, the same on each.")
      .def("broadcast", &broadcast, py::arg("data"), py::arg("root") = 0,
           "Overwrites the array, or the CPU tensor, with the root's, and returns it.")
      .def("all_gather", &all_gather, py::arg("data"),
           "Every rank's array, or CPU tensor, in rank order: (size, *shape).")
      .def(
          "set_label", [](const Ranks& r, const std::string& text) { r.get().set_label(text); },
          py::arg("label"), "Where this rank is, such as \"step 12\": goes into messages.")
      .def(
          "abort", [](const Ranks& r, const std::string& reason) { r.get().abort(reason); },
          Unlocked(), py::arg("reason"), "Ends every rank's communication with this reason.")
      .def("__repr__", [](const Ranks& r) {
        if (!r.running()) return std::string("Communicator(ended)");
        return "Communicator(rank=" + std::to_string(r.get().rank()) +
               ", size=" + std::to_string(r.get().size()) + ")";
      });
}

}  // namespace gigatrain::python
