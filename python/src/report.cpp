// Runs as one HTML page, as `gigatrain report` draws them.

#include "gigatrain/train/report.h"

#include "common.h"

namespace gigatrain::python {

namespace {

using Runs = std::variant<std::string, std::vector<std::string>>;

std::vector<std::string> list_of(const Runs& runs) {
  if (const auto* one = std::get_if<std::string>(&runs)) return {*one};
  return std::get<std::vector<std::string>>(runs);
}

}  // namespace

void bind_report(py::module_& m) {
  py::class_<ReportSummary>(m, "ReportSummary", "A report that was written.")
      .def_readonly("path", &ReportSummary::path, "The HTML file.")
      .def_readonly("bytes", &ReportSummary::bytes, "Of the file.")
      .def_readonly("last_step", &ReportSummary::last_step, "Of the run that went furthest.")
      .def_readonly("warnings", &ReportSummary::warnings, "Lines that could not be read.");
  m.def(
      "report",
      [](const Runs& runs, const std::string& out) { return write_report(list_of(runs), out); },
      Unlocked(), py::arg("runs"), py::arg("out") = "",
      "Run folders as one HTML page that needs no network: losses, throughput, time by kernel "
      "family, memory, samples; several runs are compared.\n\nruns: a folder or a list of them, "
      "also while they train. out: the file; by default report.html in the folder of a single run, "
      "or in this one. Returns a ReportSummary. Raises IoError for a folder that holds no run.");
  m.def("write_tensorboard", &write_tensorboard, Unlocked(), py::arg("run"),
        "Every step's scalars of a run folder for TensorBoard, as "
        "RUN/events.out.tfevents.gigatrain; returns the path. Raises IoError for a folder that "
        "holds no run.");
}

}  // namespace gigatrain::python
