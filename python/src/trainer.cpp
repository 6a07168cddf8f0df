// The Trainer and evaluation.

#include "gigatrain/train/trainer.h"

#include <pybind11/functional.h>

#include "data_parallel.h"
#include "gigatrain/train/evaluate.h"
#include "gigatrain/train/trace.h"
#include "interrupt.h"

namespace gigatrain::python {

namespace {

class PyTrainer : public Trainer {
 public:
  PyTrainer(nn::Model& model, optim::Optimizer& optimizer, const BatchSource& data,
            const TrainerOptions& options, const SharedModel* ranks)
      : Trainer(model, optimizer, data, options), ranks_(ranks) {
    if (ranks) ranks->require_fit(optimizer);
  }
  std::function<bool()> asked;  // stop_when()

  StepReport one() {
    require_ranks();
    const py::gil_scoped_release unlocked;
    return step();
  }
  StopReason run() {
    require_ranks();
    Interrupt interrupt;
    stop_when([&] { return interrupt.asked() || (asked && asked()); });
    StopReason reason{};
    {
      const py::gil_scoped_release unlocked;
      reason = fit();
    }
    interrupt.raise();
    return reason;
  }

 private:
  void require_ranks() const {
    if (ranks_) ranks_->group();
  }
  const SharedModel* ranks_;  // null: this rank is alone
};

const char* name_of(StopReason reason) {
  if (reason == StopReason::finished) return "finished";
  return reason == StopReason::time_limit ? "time_limit" : "requested";
}

void bind_step_report(py::module_& m) {
  py::class_<StepReport>(m, "StepReport", "What happened in one step.")
      .def_readonly("step", &StepReport::step, "How many are done, from 1.")
      .def_readonly("tokens", &StepReport::tokens, "Seen since the run began; or samples.")
      .def_readonly("loss", &StepReport::loss, "Mean over the loss terms; of text: nats a token.")
      .def_readonly("grad_norm", &StepReport::grad_norm, "Before clipping.")
      .def_readonly("lr", &StepReport::lr, "Learning rate.")
      .def_readonly("step_ms", &StepReport::step_ms, "Wall time in ms, callbacks not counted.")
      .def_readonly("samples", &StepReport::samples, "Of this step.")
      .def_readonly("loss_scale", &StepReport::loss_scale, "Of this step: 1 unless in f16.")
      .def_readonly("skipped", &StepReport::skipped, "The weights stayed.")
      .def_readonly("reason", &StepReport::reason, "Why it was skipped.")
      .def("__repr__", [](const StepReport& r) {
        return "StepReport(step=" + std::to_string(r.step) + ", loss=" + std::to_string(r.loss) +
               ", grad_norm=" + std::to_string(r.grad_norm) + ", lr=" + std::to_string(r.lr) + ")";
      });
}

void bind_trainer_class(py::module_& m) {
  py::classh<PyTrainer>(
      m, "Trainer",
      "The training loop: gradient, clip, update, callbacks. It prints and writes "
      "nothing.")
      .def(
          py::init([](nn::Model& model, optim::Optimizer& optimizer, const BatchSource& data,
                      std::int64_t steps, const optim::Schedule& schedule, std::int64_t micro_batch,
                      std::optional<std::int64_t> given_leaves,
                      const std::vector<std::string>& batch_ramp, std::uint64_t seed, float clip,
                      double loss_scale, double limit_seconds, bool anomaly, Trace* trace,
                      SharedModel* ranks) {
            const std::int64_t leaves = given_leaves.value_or(ranks ? ranks->options().leaves : 1);
            const std::int64_t micro = micro_batch ? micro_batch : data.global_batch() / leaves;
            const BatchShape batch{.leaves = leaves,
                                   .micro_batches = data.global_batch() / (leaves * micro),
                                   .micro_batch = micro,
                                   .seq_len = data.positions(),
                                   .ramp = parse_batch_ramp(batch_ramp)};
            return std::make_shared<PyTrainer>(model, optimizer, data,
                                               TrainerOptions{.batch = batch,
                                                              .steps = steps,
                                                              .seed = seed,
                                                              .schedule = schedule,
                                                              .clip = clip,
                                                              .loss_scale = {.fixed = loss_scale},
                                                              .limit_seconds = limit_seconds,
                                                              .anomaly = anomaly,
                                                              .trace = trace,
                                                              .ranks = ranks},
                                               ranks);
          }),
          py::keep_alive<1, 2>(), py::keep_alive<1, 3>(), py::keep_alive<1, 4>(),
          py::keep_alive<1, 15>(), py::keep_alive<1, 16>(), py::arg("model"), py::arg("optimizer"),
          py::arg("data"), py::kw_only(), py::arg("steps"),
          py::arg("schedule") = optim::Schedule{.kind = optim::Schedule::Kind::constant},
          py::arg("micro_batch") = 0, py::arg("leaves") = py::none(),
          py::arg("batch_ramp") = std::vector<std::string>{}, py::arg("seed") = 1,
          py::arg("clip") = 1.0f, py::arg("loss_scale") = 0.0, py::arg("limit_seconds") = 0.0,
          py::arg("anomaly") = false, py::arg("trace") = py::none(), py::arg("ranks") = py::none(),
          "steps: of the whole run; also the schedule's. micro_batch: samples of one forward; 0: "
          "as many as a leaf has. leaves: of the gradient tree, a power of two; None: those of "
          "`ranks`, else 1; global batch = leaves * A * micro_batch. batch_ramp: [\"0: 2\", \"100: "
          "8\"]: steps have 2 leaves, from step 100 on 8, the most being `leaves`. clip: largest "
          "gradient norm; 0: off. loss_scale: of a model "
          "that computes in f16, a power of two; 0: dynamic. limit_seconds: of training; 0: none. "
          "anomaly: look at every value as it is made, and raise Cancelled that names step, op, "
          "layer and parameter of the first NaN or Inf; several times slower. trace: a Trace, "
          "which "
          "records some of the steps. ranks: a DataParallel of the model; every rank makes a "
          "Trainer "
          "and calls the same. Raises InvalidArgument when the data do not fit the model.")
      .def("step", &PyTrainer::one,
           "One optimizer step; returns its StepReport. Raises Cancelled when the loss or the "
           "gradient is not finite: the weights are then those of the step before. In f16 with a "
           "dynamic loss scale such a step is skipped and the scale halved.")
      .def_property_readonly(
          "loss_scale",
          [](const PyTrainer& t) -> std::optional<std::pair<double, std::int64_t>> {
            const auto& scale = t.loss_scale();
            if (!scale) return std::nullopt;
            return std::pair(scale->value(), scale->good_steps());
          },
          "(value, good steps since it changed) of the next step, for restore_loss_scale(); None "
          "unless the model computes in f16.")
      .def("restore_loss_scale", &Trainer::restore_loss_scale, py::arg("value"),
           py::arg("good_steps"), "Continue with the loss scale of an earlier run.")
      .def(
          "fit", [](PyTrainer& t) { return name_of(t.run()); },
          "Trains until the steps are done (\"finished\"), the time is up (\"time_limit\") or "
          "stop_when() said so (\"requested\"). Ctrl-C finishes the step, then raises "
          "KeyboardInterrupt; fit() continues from there.")
      .def("on_step", &Trainer::on_step, py::arg("callback"),
           "Calls callback(report) after every step of fit(). What it raises ends fit().")
      .def(
          "stop_when",
          [](PyTrainer& t, std::function<bool()> asked) { t.asked = std::move(asked); },
          py::arg("asked"), "asked() is called between steps; True ends fit().")
      .def("resume_at", &Trainer::resume_at, py::arg("step"), py::arg("tokens") = 0,
           "Continues a run: so many steps and tokens are behind us.")
      .def_property_readonly("steps_done", &Trainer::steps_done, "Since the run began.")
      .def_property_readonly("tokens_done", &Trainer::tokens_done, "Since the run began.");
}

}  // namespace

void bind_trainer(py::module_& m) {
  bind_state_file(m);
  bind_step_report(m);
  bind_trainer_class(m);
  py::class_<Evaluation>(m, "Evaluation", "The loss on held-out data.")
      .def_readonly("loss", &Evaluation::loss, "Mean over the loss terms; of text: nats a token.")
      .def_readonly("terms", &Evaluation::terms, "Predicted tokens, or samples.")
      .def_readonly("samples", &Evaluation::samples, "Seen.");
  m.def(
      "evaluate",
      [](nn::Model& model, const BatchSource& data, std::int64_t micro_batch, std::int64_t batches,
         std::function<void(const nn::Batch&, const Tensor&)> on_batch, const py::object& ranks) {
        Communicator* group = communicator_of(ranks);
        const py::gil_scoped_release unlocked;
        return evaluate(model, device_of(model), data,
                        {.micro_batch = micro_batch,
                         .batches = batches,
                         .on_batch = std::move(on_batch),
                         .ranks = group});
      },
      py::arg("model"), py::arg("data"), py::kw_only(), py::arg("micro_batch") = 1,
      py::arg("batches") = 0, py::arg("on_batch") = py::none(), py::arg("ranks") = py::none(),
      "The loss on every sample once; dropout is off. micro_batch: samples at a time. batches: at "
      "most so many, spread evenly; 0: all. on_batch(batch, prediction): for a metric. ranks: who "
      "share the work, each calling this (a Communicator or a DataParallel): one result, that of "
      "a rank alone; on_batch sees its own rank's part.");
  m.def(
      "accuracy",
      [](nn::Model& model, const BatchSource& data, std::int64_t micro_batch,
         const std::string& label, const py::object& ranks) {
        Communicator* group = communicator_of(ranks);
        const py::gil_scoped_release unlocked;
        return accuracy(model, device_of(model), data, {.micro_batch = micro_batch, .ranks = group},
                        label);
      },
      py::arg("model"), py::arg("data"), py::kw_only(), py::arg("micro_batch") = 1,
      py::arg("label") = "label", py::arg("ranks") = py::none(),
      "The fraction of labels (-1 not counted) that are the largest of their row of logits. ranks: "
      "as of evaluate().");
}

}  // namespace gigatrain::python
