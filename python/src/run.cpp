// Whole runs from a configuration, as `gigatrain train` does them.

#include "gigatrain/train/training_run.h"

#include <fmt/format.h>

#include "gigatrain/train/checkpoint_files.h"
#include "gigatrain/train/run_folder.h"
#include "interrupt.h"
#include "ranks.h"

namespace gigatrain::python {

namespace {

// Any Python object: of these methods it may have some.
class PyObserver : public RunObserver {
 public:
  explicit PyObserver(py::object observer) : observer_(std::move(observer)) {}
  void on_start(const RunSummary& s) override { tell("on_start", s); }
  void on_step(const StepLine& line) override { tell("on_step", line); }
  void on_eval(const EvalLine& line) override { tell("on_eval", line); }
  void on_sample(const std::string& text, std::int64_t step) override {
    tell("on_sample", text, step);
  }
  void on_checkpoint(const CheckpointLine& line) override { tell("on_checkpoint", line); }
  void on_warning(const std::string& text) override { tell("on_warning", text); }

 private:
  template <class... Args>
  void tell(const char* method, const Args&... args) {
    const py::gil_scoped_acquire lock;
    if (py::hasattr(observer_.get(), method)) observer_.get().attr(method)(args...);
  }
  Held observer_;
};

RunMode parse_mode(const std::string& mode) {
  if (mode == "fresh") return RunMode::fresh;
  if (mode == "resume") return RunMode::resume;
  if (mode == "overwrite") return RunMode::overwrite;
  throw Error(ErrorCode::invalid_argument,
              "unknown mode '" + mode + "': expected fresh, resume or overwrite");
}

// Each on a device of its own, of this kind.
RunOutcome train_on_ranks(int ranks, const std::string& kind, const Config& config, RunMode mode,
                          RunObserver& observer, const std::function<bool()>& asked) {
  RunOutcome outcome;
  run_on_ranks(ranks, 0, [&](Communicator& world) {
    const auto device = open_device(kind, {}, ranks);
    const RunOutcome own = train_run(world, *device, config, mode, observer, asked);
    if (world.rank() == 0) outcome = own;
  });
  return outcome;
}

RunOutcome run(const Config& config, Device* device, const std::string& mode,
               const py::object& observer, int ranks) {
  Device& d = device_or_default(device);
  PyObserver teller(observer);
  Interrupt interrupt;
  const auto asked = [&] { return interrupt.asked(); };
  RunOutcome outcome;
  {
    const py::gil_scoped_release unlocked;
    outcome = ranks == 1
                  ? train_run(d, config, parse_mode(mode), teller, asked)
                  : train_on_ranks(ranks, d.facts().kind, config, parse_mode(mode), teller, asked);
  }
  interrupt.raise();
  return outcome;
}

void bind_lines(py::module_& m) {
  py::class_<RunSummary>(m, "RunSummary", "What a run is about to do.")
      .def_readonly("folder", &RunSummary::folder, "runs/<name>.")
      .def_readonly("device", &RunSummary::device, "Processor, threads, vector code.")
      .def_readonly("parameters", &RunSummary::parameters, "Weights.")
      .def_readonly("train_tokens", &RunSummary::train_tokens, "Tokens to train on.")
      .def_readonly("first_step", &RunSummary::first_step, "Above 0: resumed there.")
      .def_readonly("steps", &RunSummary::steps, "Of the whole run.");
  py::class_<StepLine>(m, "StepLine", "A step, and how fast the run goes.")
      .def_readonly("report", &StepLine::report, "The StepReport.")
      .def_readonly("tokens_per_s", &StepLine::tokens_per_s, "Over the log interval.")
      .def_readonly("limit_fraction", &StepLine::limit_fraction,
                    "Of the machine's measured rate of matrix products.")
      .def_readonly("eta_seconds", &StepLine::eta_seconds, "Until the end.")
      .def_readonly("memory_bytes", &StepLine::memory_bytes, "Peak.")
      .def_readonly("log", &StepLine::log, "An interval ends: worth a line.");
  py::class_<EvalLine>(m, "EvalLine", "An evaluation within a run.")
      .def_readonly("step", &EvalLine::step, "When.")
      .def_readonly("evaluation", &EvalLine::evaluation, "The Evaluation.")
      .def_readonly("best", &EvalLine::best, "The lowest loss so far?");
  py::class_<CheckpointLine>(m, "CheckpointLine",
                             "A checkpoint has become durable; one that is written while training "
                             "goes on is told of some steps after its own.")
      .def_readonly("path", &CheckpointLine::path, "Its folder.")
      .def_readonly("digest", &CheckpointLine::digest, "Of the state.")
      .def_readonly("step", &CheckpointLine::step, "Whose state it is.")
      .def_readonly("bytes", &CheckpointLine::bytes, "Of all its files.")
      .def_readonly("stall_ms", &CheckpointLine::stall_ms, "Training waited.")
      .def_readonly("write_ms", &CheckpointLine::write_ms, "Hashing, writing, syncing.");
  py::class_<RunOutcome>(m, "RunOutcome", "How a run ended.")
      .def_property_readonly(
          "reason",
          [](const RunOutcome& o) {
            if (o.reason == StopReason::finished) return "finished";
            return o.reason == StopReason::time_limit ? "time_limit" : "requested";
          },
          "\"finished\", \"time_limit\" or \"requested\".")
      .def_readonly("step", &RunOutcome::step, "Steps done.")
      .def_readonly("folder", &RunOutcome::folder, "runs/<name>.")
      .def_readonly("checkpoint", &RunOutcome::checkpoint, "The last one's folder.")
      .def_readonly("digest", &RunOutcome::digest, "Of the final state.")
      .def_readonly("loss", &RunOutcome::loss, "Last seen; NaN: never.")
      .def_readonly("val_loss", &RunOutcome::val_loss, "Last seen; NaN: never.");
}

void bind_checkpoints(py::module_& m) {
  py::class_<CheckpointEntry>(m, "CheckpointEntry", "A checkpoint of a run.")
      .def_readonly("name", &CheckpointEntry::name, "\"step_00001000\".")
      .def_readonly("folder", &CheckpointEntry::folder, "Its folder.")
      .def_readonly("step", &CheckpointEntry::step, "Whose state it is.")
      .def_readonly("latest", &CheckpointEntry::latest, "Does LATEST name it?")
      .def_readonly("best", &CheckpointEntry::best, "Does BEST name it?");
  py::class_<CheckpointReport>(m, "CheckpointReport", "What verify_checkpoint() found.")
      .def_readonly("folder", &CheckpointReport::folder, "The checkpoint's.")
      .def_readonly("step", &CheckpointReport::step, "Whose state it is.")
      .def_readonly("tensors", &CheckpointReport::tensors, "Weights and optimizer state.")
      .def_readonly("bytes", &CheckpointReport::bytes, "Of all files.")
      .def_property_readonly(
          "digest",
          [](const CheckpointReport& r) { return fmt::format("{:016x}", r.state_digest); },
          "Of the state.")
      .def_readonly("problems", &CheckpointReport::problems, "Empty: it is whole.")
      .def_property_readonly("whole", &CheckpointReport::whole, "No problems.");
  m.def("list_checkpoints", &list_checkpoints, py::arg("path"),
        "The checkpoints of a run folder, by step, oldest first.");
  m.def("verify_checkpoint", &verify_checkpoint, py::arg("path"),
        py::call_guard<py::gil_scoped_release>(),
        "Every file's size and SHA-256 and every tensor's digest, of a run's newest checkpoint or "
        "of one step's folder. Damage is reported, not raised.");
  m.def("request_checkpoint", &request_checkpoint, py::arg("run_folder"),
        "Asks the process that trains into this folder, whichever it is, for a checkpoint of the "
        "step at hand; training does not stop for it. The same as `touch RUN/SAVE`.");
}

}  // namespace

void bind_run(py::module_& m) {
  bind_lines(m);
  bind_checkpoints(m);
  m.def(
      "train_run", &run, py::arg("config"), py::kw_only(), py::arg("device") = py::none(),
      py::arg("mode") = "fresh", py::arg("observer") = py::none(), py::arg("ranks") = 1,
      "A whole run: data, model, optimizer, run folder, metrics, evaluation, checkpoints.\n\n"
      "mode: \"fresh\", \"resume\" (from the newest whole checkpoint) or \"overwrite\". observer: "
      "any object; of on_start(summary), on_step(line), on_eval(line), on_sample(text, step), "
      "on_checkpoint(line), on_warning(text) it may have some. ranks: so many threads share the "
      "run, each on a device of its own (of device's kind); rank 0 writes and is observed, and "
      "the bits are those of one. Ctrl-C saves after the step at hand, then raises "
      "KeyboardInterrupt.");
}

}  // namespace gigatrain::python
